//! Tests of the profile as a whole.

mod dumps;
mod files;
mod loss;
mod made;
mod properties;
mod stories;
mod table;
