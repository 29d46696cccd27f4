//! A rollout from here to its end, batch by batch, if everything goes well: what a dialog shows before it begins.
