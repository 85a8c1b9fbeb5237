//! What several rounds of one measurement say together: the middle, and how far apart they were.

use std::fmt;

/// The smallest, the middle and the largest of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// The middle one; of an even number the upper of the two in the middle.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of these values; nothing without any.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        Some(Self { min: *values.first()?, median: *values.get(values.len() / 2)?, max: *values.last()? })
    }

    /// Of `with − without` of each pair.
    #[must_use]
    pub fn of_differences(with: &[f64], without: &[f64]) -> Option<Self> {
        Self::of(with.iter().zip(without).map(|(with, without)| with - without).collect())
    }

    /// Of `with ÷ without` of each pair.
    #[must_use]
    pub fn of_ratios(with: &[f64], without: &[f64]) -> Option<Self> {
        Self::of(with.iter().zip(without).map(|(with, without)| with / without).collect())
    }
}

/// `median [min … max]`, with the precision and the sign of the format.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(0);
        let Self { min, median, max } = self;
        if f.sign_plus() {
            return write!(f, "{median:+.digits$} [{min:+.digits$} … {max:+.digits$}]");
        }
        write!(f, "{median:.digits$} [{min:.digits$} … {max:.digits$}]")
    }
}

/// The value under which `share` (0 to 1) of `sorted` lies.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an index computed from a length that is far below 2^52"
)]
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * share).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_rounds_does_not_matter() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.0, 3.0));
        assert_eq!(format!("{spread:.1}"), "2.0 [1.0 … 3.0]");
        assert_eq!(format!("{spread:+.0}"), "+2 [+1 … +3]");
    }

    #[test]
    fn nothing_measured_is_not_a_number() {
        assert_eq!(Spread::of(Vec::new()), None);
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn differences_are_taken_inside_a_block_and_not_between_medians() {
        // The machine slowed down from block to block; what was added stayed the same.
        let spread = Spread::of_differences(&[11.0, 21.0, 31.0], &[10.0, 20.0, 30.0]).unwrap();
        assert_eq!((spread.min, spread.max), (1.0, 1.0));
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.99), Some(99.0));
        assert_eq!(quantile(&values, 1.0), Some(100.0));
    }
}
