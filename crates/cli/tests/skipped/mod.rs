//! For tests that cannot do their work here.

/// Says that this test cannot run, or only in part. libtest will call it passed, and `build/sum-tests.awk` takes it
/// back by this line, which must not be captured: it does not go through `println`.
pub(crate) fn skipped(reason: &str) {
    use std::io::Write as _;
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default();
    let line = format!("test-skipped: {name}: {reason}\n");
    std::io::stderr().lock().write_all(line.as_bytes()).unwrap();
}
