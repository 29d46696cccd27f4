//! One file for each controller: observe, plan, act, report.
