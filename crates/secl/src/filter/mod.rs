//! What the kernel may drop without asking a rule: approvers say which events can match at all, discarders which cannot.
//!
//! Pure functions with reports; the kernel side is elsewhere. Invariant: an event that some rule matches is approved, and
//! no value that it holds is a discarder. Both rest on the same reasoning: what does not depend on the field in question
//! is unknown, and stays unknown under a negation.

mod approval;
mod approve;
mod discard;
mod known;
mod sets;

pub use approval::{Approval, Capability, Kinds};
pub use approve::{Approvers, FieldApprovers, Forbidden, Refusal, Verdict, approvers, mask_combinations};
pub use discard::{DiscarderReport, discarder_report, discarders, is_parent_discarder};
pub use known::Known;
