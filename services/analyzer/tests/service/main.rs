//! The whole service between a fake probe, a fake reporter and a fake Docker API, all on unix sockets of ours.

#[cfg(test)]
mod cases;
#[cfg(test)]
mod deployments;
#[cfg(test)]
mod fakes;
