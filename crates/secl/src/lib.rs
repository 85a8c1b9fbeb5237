//! SECL, the rule language.

pub mod diagnostic;
pub mod net;
pub mod syntax;
