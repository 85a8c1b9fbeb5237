//! Small programs that do a counted amount of work, so that a test can compare exact numbers.
//!
//! Built with `-C target-feature=+crt-static` they open no file that they do not report: there is no loader, and
//! [`plain_main`] starts without the part of Rust's own start that reads `/proc/self/maps`. Linked dynamically every
//! program start opens its libraries as well, and the programs say so (`"exact": false`).

pub mod cgroup;
pub mod kinds;

use std::path::Path;

use anyhow::Context;

/// Moves this process into a control group. The file is opened before the move, so it is not an event in there.
///
/// # Errors
/// When the group does not exist or may not be joined.
pub fn join(cgroup: &Path) -> anyhow::Result<()> {
    let procs = cgroup.join("cgroup.procs");
    std::fs::write(&procs, "0").with_context(|| format!("cannot join {}", procs.display()))
}

/// Defines C's `main`, which calls `$run` and prints its error.
///
/// Rust's own `main` prepares for a stack overflow message by reading `/proc/self/maps`: an open that the program
/// did not ask for and cannot count.
#[macro_export]
macro_rules! plain_main {
    ($run:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn main(
            _argc: core::ffi::c_int,
            _argv: *const *const core::ffi::c_char,
        ) -> core::ffi::c_int {
            // The C library gave the arguments to std before this.
            match $run() {
                Ok(()) => 0,
                Err(error) => $crate::complain(&error),
            }
        }
    };
}

/// Prints an error and gives the exit code for it.
#[expect(clippy::print_stderr, reason = "a test program says on standard error what went wrong")]
#[must_use]
pub fn complain(error: &anyhow::Error) -> core::ffi::c_int {
    eprintln!("{error:#}");
    1
}
