//! Gives memory back that only the start needed.

/// Returns free memory to the system. Reading the kernel's types takes some 20 MiB for a moment, and the allocator
/// would keep them for good, because younger allocations lie above.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the allocator of the C library has no safe interface")]
pub fn give_back() {
    // SAFETY: takes no pointer, and may be called at any time from any thread. Whether it could give something back does
    // not matter.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries return free memory by themselves.
#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}
