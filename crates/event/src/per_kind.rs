//! One value for each kind.

use crate::Kind;

/// One value for each kind. There is a slot for every kind that is described, and no other way to make a table of them
/// than from a function over kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerKind<T>([T; Kind::COUNT]);

impl<T> PerKind<T> {
    /// The value that `make` gives for each kind.
    pub fn from_fn(make: impl FnMut(Kind) -> T) -> Self {
        Self(Kind::ALL.map(make))
    }

    /// The value of this kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &T {
        #[expect(clippy::indexing_slicing, reason = "the index of a kind is below the number of kinds")]
        &self.0[kind.index()]
    }

    /// The slot of this kind.
    pub fn get_mut(&mut self, kind: Kind) -> &mut T {
        #[expect(clippy::indexing_slicing, reason = "the index of a kind is below the number of kinds")]
        &mut self.0[kind.index()]
    }

    /// Every kind with its value, in the order of [`Kind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &T)> {
        Kind::ALL.into_iter().zip(&self.0)
    }
}

impl<T: Copy> PerKind<T> {
    /// The value of this kind.
    #[must_use]
    pub fn get(&self, kind: Kind) -> T {
        *self.of(kind)
    }
}

impl PerKind<u64> {
    /// The sum over all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

impl<T: Default> Default for PerKind<T> {
    fn default() -> Self {
        Self::from_fn(|_| T::default())
    }
}

/// The values of some kinds; the others have none. Of a kind that is there twice the last value counts.
impl<T: Default, const N: usize> From<[(Kind, T); N]> for PerKind<T> {
    fn from(values: [(Kind, T); N]) -> Self {
        let mut all = Self::default();
        values.into_iter().for_each(|(kind, value)| *all.get_mut(kind) = value);
        all
    }
}

impl std::ops::AddAssign<&Self> for PerKind<u64> {
    fn add_assign(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum = sum.saturating_add(more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_slot_of_its_own() {
        let names = PerKind::from_fn(Kind::name);
        for kind in Kind::ALL {
            assert_eq!(*names.of(kind), kind.name());
            let mut one = PerKind::<u64>::default();
            *one.get_mut(kind) += 1;
            assert_eq!((one.get(kind), one.total(), one), (1, 1, PerKind::from([(kind, 1)])));
        }
    }
}
