//! What the container of a service lets it call: from the moment its runtime makes it that program until it confines itself,
//! which leaves less. `cargo xtask codegen` makes the files in `deploy/seccomp` of it.

use super::Calls;
use super::calls::{ALWAYS, Call, NEW_NAMESPACES, OF_THE_PROCESSOR, TO_START, WITH_ARGUMENTS, families};

/// The profile of one service.
#[derive(Debug)]
pub struct Profile {
    /// The name of its file, `probe`.
    pub service: &'static str,
    /// Of which the running service makes fewer.
    more: &'static [Calls],
    /// Calls that it makes before it confines itself, beside those of every service: loading programs, making the directory of
    /// what it keeps.
    before: &'static [&'static str],
}

/// One for each service.
pub const PROFILES: [Profile; 3] = [
    Profile { service: "probe", more: &[Calls::BpfInUse], before: &["bpf"] },
    Profile { service: "analyzer", more: &[], before: &["mkdir"] },
    Profile { service: "reporter", more: &[Calls::Internet], before: &["mkdir"] },
];

impl Profile {
    /// The file, in the form that container runtimes read.
    #[must_use]
    pub fn file(&self) -> String {
        let lists = [ALWAYS, OF_THE_PROCESSOR, TO_START, WITH_ARGUMENTS];
        let constants = lists.into_iter().flatten().map(|call: &Call| call.constant);
        let mut names: Vec<&str> = constants
            .filter_map(|constant| constant.strip_prefix("SYS_"))
            .chain(self.before.iter().copied())
            .collect();
        names.sort_unstable();
        names.dedup();
        let names: Vec<String> = names.iter().map(|name| format!("        \"{name}\"")).collect();
        let sockets: Vec<String> = families(self.more)
            .iter()
            .map(|(name, family)| {
                format!(
                    "    {{ \"comment\": \"{name}\", \"names\": [\"socket\"], \"action\": \"SCMP_ACT_ALLOW\",\n      \
                     \"args\": [{{ \"index\": 0, \"value\": {family}, \"op\": \"SCMP_CMP_EQ\" }}] }}"
                )
            })
            .collect();
        format!(
            r#"{{
  "defaultAction": "SCMP_ACT_ERRNO",
  "defaultErrnoRet": 1,
  "architectures": ["SCMP_ARCH_X86_64"],
  "syscalls": [
    {{
      "names": [
{}
      ],
      "action": "SCMP_ACT_ALLOW"
    }},
{},
    {{ "comment": "no new namespaces", "names": ["clone"], "action": "SCMP_ACT_ALLOW",
      "args": [{{ "index": 0, "value": {NEW_NAMESPACES}, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" }}] }},
    {{ "comment": "its flags cannot be read", "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": {} }}
  ]
}}
"#,
            names.join(",\n"),
            sockets.join(",\n"),
            libc::ENOSYS,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_lets_its_service_do_what_the_running_one_does_and_confine_itself() {
        for profile in &PROFILES {
            let file = profile.file();
            for call in ALWAYS.iter().chain(OF_THE_PROCESSOR).chain(WITH_ARGUMENTS) {
                let name = call.constant.strip_prefix("SYS_").unwrap();
                assert!(file.contains(&format!("\"{name}\"")), "{name} is not in {}", profile.service);
            }
            for name in ["seccomp", "landlock_restrict_self", "execve"] {
                assert!(file.contains(&format!("\"{name}\"")), "{name} is not in {}", profile.service);
            }
            assert_eq!(file.contains("\"bpf\""), profile.service == "probe");
            assert_eq!(file.contains("AF_INET6"), profile.service == "reporter");
            for name in ["ptrace", "mount", "unshare", "setns", "init_module", "kill"] {
                assert!(!file.contains(&format!("\"{name}\"")), "{name} is in {}", profile.service);
            }
        }
    }
}
