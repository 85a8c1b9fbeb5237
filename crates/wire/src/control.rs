//! What an analyzer wants of its probe, between the wire and the domain.
//!
//! A state and not a change, so that whoever comes back after a break only has to say it again. Kinds travel by name; a
//! name that the other side does not know changes nothing, because that side cannot have such events.

use std::collections::BTreeSet;

use event::Kind;

use crate::v1;

impl From<&BTreeSet<Kind>> for v1::Wanted {
    fn from(kinds: &BTreeSet<Kind>) -> Self {
        Self { kinds: names(kinds.iter().copied()) }
    }
}

impl From<&v1::Wanted> for BTreeSet<Kind> {
    fn from(wanted: &v1::Wanted) -> Self {
        kinds(&wanted.kinds).collect()
    }
}

/// What an analyzer wants that says nothing: everything.
#[must_use]
pub fn everything() -> BTreeSet<Kind> {
    Kind::ALL.into()
}

/// Kinds as names.
pub fn names(kinds: impl IntoIterator<Item = Kind>) -> Vec<String> {
    kinds.into_iter().map(|kind| kind.name().to_owned()).collect()
}

/// The kinds among these names.
pub fn kinds(names: &[String]) -> impl Iterator<Item = Kind> {
    names.iter().filter_map(|name| Kind::from_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_survives_the_wire_and_a_kind_that_is_not_known_is_passed_over() {
        for wanted in [BTreeSet::new(), BTreeSet::from([Kind::Open, Kind::Exec]), everything()] {
            let mut message = v1::Wanted::from(&wanted);
            assert_eq!(BTreeSet::from(&message), wanted);
            message.kinds.push("teleport".to_owned());
            message.kinds.extend(message.kinds.clone());
            assert_eq!(BTreeSet::from(&message), wanted);
        }
    }
}
