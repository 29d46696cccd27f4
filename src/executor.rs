//! Carries a runbook out on many machines.
