//! What each service may do once it runs.

use std::collections::HashMap;

use anyhow::{Context, ensure};
use e2e::StackOptions;

pub(crate) fn least_privilege() -> anyhow::Result<()> {
    crate::run(async {
        let (_cgroup, stack) = crate::scoped(StackOptions::default()).await?;
        for (service, uid) in
            [("shrike-analyzer", "65534"), ("shrike-reporter", "65534"), ("shrike-probe", "0")]
        {
            let [pid] =
                stack.pids_of(service)?.try_into().ok().with_context(|| format!("one {service} runs"))?;
            let status = status_of(pid)?;
            let field = |name: &str| status.get(name).cloned().unwrap_or_default();
            let uids = field("Uid");
            ensure!(uids.split_whitespace().all(|known| known == uid), "{service} has the uids {uids}");
            for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
                ensure!(field(set).bytes().all(|digit| digit == b'0'), "{service}: {set} is {}", field(set));
            }
            ensure!(field("NoNewPrivs") == "1", "{service} could gain privileges through exec");
        }
        Ok(())
    })
}

fn status_of(pid: i32) -> anyhow::Result<HashMap<String, String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect())
}
