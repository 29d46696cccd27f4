//! Pure planners: `(spec, snapshot, now) -> Plan`. No IO, no clock.
