//! The gRPC contracts, and the conversion between them and the domain.
//!
//! Shared by the probe and the analyzer (events), the analyzer and the reporter (payloads), and the command line.
//! Invariant: decoding checks everything; hostile bytes give an error, never a panic and never an allocation that
//! the size of the input does not justify.

/// The generated messages and services of `proto/shrike`.
#[expect(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code; the .proto files hold the documentation"
)]
mod generated {
    pub mod v1 {
        tonic::include_proto!("shrike.v1");
    }
    pub mod wire1 {
        tonic::include_proto!("shrike.wire1");
    }
}

#[cfg(any(test, feature = "arbitrary"))]
pub mod arbitrary;
pub mod batch;
pub mod control;
mod error;
pub mod status;
pub mod wire1;

pub use error::WireError;
pub use generated::v1;

/// Version of the meaning of the messages. Both sides of a stream must agree; they are released together.
pub const WIRE_VERSION: u32 = 3;
