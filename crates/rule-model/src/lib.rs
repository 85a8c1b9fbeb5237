//! The fields of rules, and what events of ours hold for them.
//!
//! For the command line and the analyzer. It stands between [`event`], which knows no rules, and [`secl`], which knows no
//! events: [`Fields`] says which fields, constants and types there are, [`Facts`] reads them from one event. A field is
//! one line of a table, with its type, its meaning, an example and what reads it, so that `docs/fields.md`
//! ([`fields_page`]), the grammar for editors ([`grammar`]) and `shrike rule fields` say the same.
//!
//! The list is that of the language, which is wider than what the probe reports: a rule about a kind that is not
//! reported yet is valid, and its author is told.

mod actor;
mod aliases;
mod constants;
mod facts;
mod fields;
mod grammar;
mod leaves;
mod linux;
mod page;
mod row;
mod validate;
mod windows;

#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod tests;

pub use constants::Constants;
pub use facts::{Facts, Seen};
pub use fields::{Doc, Fields, Os};
pub use grammar::grammar;
pub use page::fields_page;
