//! From the recorded clock to the calendar. Nothing here reads a clock.

/// Nanoseconds since the epoch of a moment on the boot-time clock.
#[must_use]
pub fn wall_ns(boot_ns: u64, wall_offset_ns: i64) -> i64 {
    let wall = i128::from(boot_ns) + i128::from(wall_offset_ns);
    i64::try_from(wall).unwrap_or(if wall < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_does_not_fit_is_the_nearest_that_does() {
        assert_eq!(wall_ns(5, 10), 15);
        assert_eq!(wall_ns(u64::MAX, -5), i64::MAX);
        assert_eq!(wall_ns(0, i64::MIN), i64::MIN);
    }
}
