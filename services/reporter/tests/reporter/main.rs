//! The reporter between real sockets: gRPC in front, HTTP to a mock intake behind.

#[cfg(test)]
mod delivery;
#[cfg(test)]
mod deployments;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod process;
#[cfg(test)]
mod settling;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod socket;
