//! SECL, the rule language: read, checked, compiled, evaluated, explained.
//!
//! For the analyzer, which asks rules of every event, and the command line, which helps to write them. Pure: no I/O, no
//! clock, no thread, no dependency on a service; time comes with the event.
//!
//! ```text
//! text ─syntax─▶ Expr ─check (Model, Macros)─▶ Rule: a tree of predicates ─┬▶ matches, explain: the plain way, for people
//!                                                                          ├▶ Bucket: programs and indexes, for events
//!                                                                          └▶ partial ─▶ approvers, discarders
//! ```
//!
//! The host says what fields there are through [`Model`], and what they hold through [`Event`]. `docs/secl.md` tells the
//! language, and where it differs from others of its family on purpose.

mod bucket;
mod check;
pub mod diagnostic;
pub mod filter;
pub mod matcher;
pub mod model;
pub mod net;
mod node;
mod predicate;
mod rule;
mod scene;
pub mod syntax;

#[cfg(test)]
mod tests;

pub use bucket::{Bucket, Scratch, Shape};
pub use check::{Binding, MacroError, Macros, check_rule};
pub use diagnostic::{Diagnostic, Severity, Span};
pub use model::{Event, Model, Value};
pub use rule::{Matched, Recorded, Rule, ValueKind};
