//! Tests of the whole crate; those of one function stand beside it.

mod chains;
mod codecs;
mod damage;
mod eras;
mod inserting;
pub(crate) mod made;
pub(crate) mod oracle;
mod patterns;
mod properties;
mod runs;
mod weaknesses;
