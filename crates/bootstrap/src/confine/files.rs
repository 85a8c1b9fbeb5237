//! Files by their place (Landlock).

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::Needs;

/// The newest rights that are asked for: those of Linux 6.12, with scopes of signals and abstract sockets.
const NEWEST: ABI = ABI::V6;

/// Where a program without shared libraries gets random numbers: the crate `getrandom` looks in these for the function.
const RANDOM: [&str; 2] = ["/dev/random", "/dev/urandom"];

/// How much of Landlock holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landlocked {
    /// All that is asked for.
    Fully,
    /// What the kernel knows of it.
    Partly,
    /// The kernel has none.
    Not,
}

/// Restricts the calling thread.
pub(super) fn restrict(needs: &Needs) -> Result<Landlocked, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    let sockets = AccessFs::MakeSock | AccessFs::RemoveFile;
    // A service connects to no port that its list of calls does not let it have a socket for, and listens on none.
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    let random = RANDOM.map(PathBuf::from).to_vec();
    for (paths, access) in
        [(&needs.read, read), (&needs.write, write), (&needs.sockets, sockets), (&random, read)]
    {
        for path in paths {
            // What is not there cannot be opened either.
            let Ok(descriptor) = PathFd::new(path) else { continue };
            let access = if path.is_dir() { access } else { access & of_one_file() };
            ruleset = ruleset.add_rule(PathBeneath::new(descriptor, access))?;
        }
    }
    Ok(match ruleset.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Landlocked::Fully,
        RulesetStatus::PartiallyEnforced => Landlocked::Partly,
        RulesetStatus::NotEnforced => Landlocked::Not,
    })
}

fn of_one_file() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate
}
