//! The console's read model: watches to index to immutable snapshot.
