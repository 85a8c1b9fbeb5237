//! What the probe says of the machine it runs on, and its clock.

use event::Host;
use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_BOOTTIME`, the clock of every event.
#[must_use]
pub fn boot_ns() -> u64 {
    nanoseconds(ClockId::CLOCK_BOOTTIME)
}

fn nanoseconds(clock: ClockId) -> u64 {
    // Both clocks exist on every kernel that has BPF, and neither is negative.
    let Ok(time) = clock_gettime(clock) else { return 0 };
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    part(time.tv_sec()).saturating_mul(1_000_000_000).saturating_add(part(time.tv_nsec()))
}

/// Describes this machine. What cannot be read stays empty.
#[must_use]
pub fn describe() -> Host {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Host {
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        hostname: read("/proc/sys/kernel/hostname"),
        kernel: read("/proc/sys/kernel/osrelease"),
        wall_offset_ns: signed(nanoseconds(ClockId::CLOCK_REALTIME)) - signed(boot_ns()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described_and_its_clock_runs() {
        let host = describe();
        assert_eq!(host.boot_id.len(), 36);
        assert!(!host.kernel.is_empty() && host.wall_offset_ns > 0);
        let before = boot_ns();
        assert!(before > 0 && boot_ns() >= before);
    }
}
