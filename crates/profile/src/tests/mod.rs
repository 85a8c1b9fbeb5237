//! Tests of the profile as a whole.

mod dumps;
mod explaining;
mod files;
mod loss;
mod made;
mod properties;
mod seccomp;
mod stories;
mod table;
