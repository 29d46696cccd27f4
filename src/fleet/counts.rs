//! Machines counted by state and by health, kept up to date one change at a time.

use crate::api::MachineState;

use super::rows::{Health, MachineRow};

/// How many machines are in each state, and how healthy they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts {
    states: [u32; MachineState::ALL.len()],
    health: [u32; Health::ALL.len()],
}

impl StateCounts {
    /// Machines in `state`.
    pub fn of(&self, state: MachineState) -> usize {
        self.states[state as usize] as usize
    }

    /// Machines of that health.
    pub fn health(&self, health: Health) -> usize {
        self.health[health as usize] as usize
    }

    /// All machines counted here.
    pub fn total(&self) -> usize {
        self.states.iter().sum::<u32>() as usize
    }

    /// The most urgent health that any of them has; [`Health::Good`] if there are none.
    pub fn worst(&self) -> Health {
        Health::ALL.into_iter().find(|h| *h < Health::Good && self.health(*h) > 0).unwrap_or(Health::Good)
    }

    pub(super) fn add(&mut self, machine: &MachineRow) {
        self.states[machine.state as usize] += 1;
        self.health[machine.health as usize] += 1;
    }

    pub(super) fn remove(&mut self, machine: &MachineRow) {
        self.states[machine.state as usize] -= 1;
        self.health[machine.health as usize] -= 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.states.iter_mut().zip(other.states) {
            *mine += theirs;
        }
        for (mine, theirs) in self.health.iter_mut().zip(other.health) {
            *mine += theirs;
        }
    }
}
