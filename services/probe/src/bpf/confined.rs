//! What is left of bpf(2) once the probe is confined, tried from inside.

use std::io;

use bootstrap::confine::Act;

/// Commands that make or find something, by their number in `enum bpf_cmd` (Linux 6.18). The list of those that
/// are left is `bootstrap::confine::Calls::BpfInUse`.
const COMMANDS: [(&str, libc::c_int); 7] = [
    ("bpf: create a map", 0),
    ("bpf: load a program", 5),
    ("bpf: pin something", 6),
    ("bpf: take a program by its number", 13),
    ("bpf: take a map by its number", 14),
    ("bpf: load types", 18),
    ("bpf: take a link by its number", 30),
];

/// Tries each with arguments that the kernel would call invalid.
#[must_use]
pub fn attempt() -> Vec<Act> {
    COMMANDS.iter().map(|(what, command)| Act::new(what, || bpf(*command))).collect()
}

fn bpf(command: libc::c_int) -> io::Result<()> {
    let attributes = [0_u8; 128];
    // SAFETY: every attribute is 0, so the kernel finds no address in them; it reads them and writes nothing.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), attributes.len()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
