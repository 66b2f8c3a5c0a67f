//! Budgets: what may still be spent, and the leases under which it is.

pub(crate) mod usage;
