//! Tests of the profile as a whole.
