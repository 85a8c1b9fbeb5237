//! Credentials of a task at the moment of an event.

/// User, group and capability identity (`struct cred`), in the initial user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Credentials {
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
    /// User id used for file access.
    pub fsuid: u32,
    /// Group id used for file access.
    pub fsgid: u32,
    /// Effective capabilities, bit n = capability n.
    pub cap_effective: u64,
    /// Permitted capabilities, bit n = capability n.
    pub cap_permitted: u64,
}
