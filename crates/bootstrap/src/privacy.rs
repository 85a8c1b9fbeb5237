//! Keeps what a service has in memory from others of the same user.

/// Forbids core dumps, debuggers and readers of `/proc/<pid>/mem`, `environ` and `fd` that are not root.
///
/// # Errors
/// When the kernel refuses.
pub fn forbid_dumps() -> std::io::Result<()> {
    nix::sys::prctl::set_dumpable(false).map_err(std::io::Error::from)
}
