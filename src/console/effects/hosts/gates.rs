//! The SSH clients of a round: one for each way in, so that hosts behind the same jump hosts share the connections to these.

use super::{
    super::super::hosts::Way,
    reach::{Opened, Reach},
};
use crate::{fleet::ContextId, ssh::Endpoint};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most ways in that are kept open, each with the connections to its jump hosts. More than are asked at once, or the one that
/// is needed next would be closed first.
const MOST_OPEN: usize = 2 * super::AT_ONCE;

/// Whose word is taken for host keys, and who leads there. The keys of a `ConfigMap` are good for the hosts of its clusters and
/// for no others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Gate {
    context: ContextId,
    namespace: Arc<str>,
    known_hosts: Option<String>,
    jumps: Vec<Endpoint>,
}

/// Those that are open; the one that was used last is the last one.
pub struct Gates<C = Opened>(Mutex<Vec<(Gate, C)>>);

impl<C> Default for Gates<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl Gates {
    /// The client for this host. One whose keys could not be read just now is not kept: the next host asks for them again.
    pub async fn open(&self, reach: &Reach, way: &Way) -> Opened {
        let jumps = reach.access.target(way, None).jumps;
        let gate = Gate {
            context: way.uid.context,
            namespace: way.namespace.clone(),
            known_hosts: way.known_hosts.clone(),
            jumps,
        };
        match self.known(&gate) {
            Some(opened) => opened,
            // Two at once may read the same map of keys: the second one is the same.
            None => {
                let opened = reach.open_for(way).await;
                if opened.lasts() { self.keep(gate, opened) } else { opened }
            }
        }
    }

    /// Says goodbye everywhere.
    pub async fn close(self) {
        let open = std::mem::take(&mut *self.all());
        for (_, opened) in open {
            opened.connector.close().await;
        }
    }
}

impl<C: Clone> Gates<C> {
    fn known(&self, gate: &Gate) -> Option<C> {
        let mut open = self.all();
        let at = open.iter().position(|(known, _)| known == gate)?;
        // It was used last.
        open[at..].rotate_left(1);
        open.last().map(|(_, client)| client.clone())
    }

    /// Keeps a client, or takes the one that somebody has made meanwhile. Where there are too many, the one that was not used
    /// for longest is let go: its connections end as soon as no host behind them is being asked any more.
    fn keep(&self, gate: Gate, made: C) -> C {
        if let Some(known) = self.known(&gate) {
            return known;
        }
        let mut open = self.all();
        if open.len() >= MOST_OPEN {
            open.remove(0);
        }
        open.push((gate, made.clone()));
        made
    }
}

impl<C> Gates<C> {
    fn all(&self) -> MutexGuard<'_, Vec<(Gate, C)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(n: u16) -> Gate {
        let jump = Endpoint { host: "bastion".into(), port: n, user: "root".into() };
        Gate { context: ContextId::FIRST, namespace: "fleet".into(), known_hosts: None, jumps: vec![jump] }
    }

    #[test]
    fn however_many_ways_there_are_few_are_open_and_those_in_use_stay() {
        let gates = Gates::<u16>::default();
        for n in 0..1_000 {
            assert_eq!(gates.keep(gate(n), n), n);
            assert_eq!(gates.known(&gate(0)), Some(0), "after {n}: it is used all the time");
        }
        assert_eq!(gates.all().len(), MOST_OPEN);
        assert_eq!(gates.keep(gate(0), 7), 0, "the first one that was made counts");
        assert_eq!((gates.known(&gate(1)), gates.known(&gate(999))), (None, Some(999)));
    }
}
