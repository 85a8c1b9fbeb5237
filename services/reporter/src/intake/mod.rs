//! What comes in: streams of groups of payloads, kept until every output is done with them.

pub(crate) mod documents;
pub(crate) mod fate;
pub(crate) mod group;
pub(crate) mod handover;
pub(crate) mod invalid;
pub(crate) mod labels;
pub(crate) mod mark;
pub(crate) mod service;
pub(crate) mod stream;
