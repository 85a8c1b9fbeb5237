//! Trees as files and back (spec 5.4, 6).
//!
//! Writing never fails and gives the same bytes for the same content. Reading trusts nothing: it is bounded by its input,
//! by the limits of the tree it fills, and in depth.

mod decode;
mod encode;
mod gzip;
mod json;
mod messages;
mod schema;
mod wire;

pub use decode::DecodeError;
pub use gzip::{gunzip, gzip};
pub use wire::WireError;

pub(crate) use messages::{imds_bytes, rule_bytes};

use crate::{Dump, Imds, Options, Profile};

/// A request to a metadata service from its message.
pub(crate) fn imds_of(bytes: &[u8]) -> Imds {
    let mut imds = Imds::default();
    // What is in a tree was made by [`imds_bytes`].
    messages::read_imds(&mut imds, wire::Reader::new(bytes)).unwrap_or_default();
    imds
}

/// The id of a rule from its message.
pub(crate) fn rule_id_of(bytes: &[u8]) -> String {
    messages::read_rule(wire::Reader::new(bytes)).unwrap_or_default().rule_id
}

impl Dump {
    /// As `.protobuf`.
    #[must_use]
    pub fn to_protobuf(&self) -> Vec<u8> {
        encode::dump(self)
    }

    /// As `.json`.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::from_protobuf(&schema::SEC_DUMP, &self.to_protobuf())
    }

    /// From `.protobuf`.
    ///
    /// # Errors
    /// When it is no dump, or larger than `options` allow.
    pub fn from_protobuf(bytes: &[u8], options: Options) -> Result<Self, DecodeError> {
        decode::dump(bytes, options)
    }

    /// From `.json`.
    ///
    /// # Errors
    /// When it is no dump, or larger than `options` allow.
    pub fn from_json(text: &[u8], options: Options) -> Result<Self, DecodeError> {
        decode::dump(&json::to_protobuf(&schema::SEC_DUMP, text)?, options)
    }
}

impl Profile {
    /// As `.profile`.
    #[must_use]
    pub fn to_protobuf(&self) -> Vec<u8> {
        encode::profile(self)
    }

    /// As JSON, to look at.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::from_protobuf(&schema::SECURITY_PROFILE, &self.to_protobuf())
    }

    /// From JSON.
    ///
    /// # Errors
    /// When it is no profile, or larger than `options` allow.
    pub fn from_json(text: &[u8], options: Options) -> Result<Self, DecodeError> {
        decode::profile(&json::to_protobuf(&schema::SECURITY_PROFILE, text)?, options)
    }

    /// From `.profile`.
    ///
    /// # Errors
    /// When it is no profile, or larger than `options` allow.
    pub fn from_protobuf(bytes: &[u8], options: Options) -> Result<Self, DecodeError> {
        decode::profile(bytes, options)
    }
}
