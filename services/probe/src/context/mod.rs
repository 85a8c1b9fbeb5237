//! What the probe knows of the machine besides its events: control groups, living processes, the host.

pub mod cgroups;
pub mod host;
pub mod proc_args;
pub mod table;
