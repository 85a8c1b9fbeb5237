//! The replay suite: every capture in `tests/replay` gives exactly the events beside it. Needs no root.

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    use anyhow::{Context, ensure};

    #[test]
    fn every_capture_gives_exactly_the_expected_events() -> anyhow::Result<()> {
        let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../replay");
        let mut cases: Vec<PathBuf> = std::fs::read_dir(&suite)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        cases.sort();
        ensure!(cases.len() >= 5, "only {} cases in {}", cases.len(), suite.display());
        let contract = e2e::contract::Contract::new()?;
        for case in cases {
            let events = replay(&case).with_context(|| case.display().to_string())?;
            let recorded = case.with_extension("cap");
            if recorded.exists() {
                let same = shrike(["replay", "--json"], &[&recorded])?;
                ensure!(
                    same == events.as_bytes(),
                    "{}: other events than its JSON lines",
                    recorded.display()
                );
            }
            for line in events.lines() {
                contract.check(line).with_context(|| case.display().to_string())?;
            }
            ensure!(!events.contains("SECRET"), "{}: a secret survived", case.display());
            let expected = case.with_extension("expected");
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&expected, &events)?;
            }
            let expected =
                std::fs::read_to_string(&expected).with_context(|| expected.display().to_string())?;
            for (number, (got, wanted)) in events.lines().zip(expected.lines()).enumerate() {
                ensure!(
                    got == wanted,
                    "{} line {}:\ngot    {got}\nwanted {wanted}",
                    case.display(),
                    number + 1
                );
            }
            ensure!(events == expected, "{}: another number of events", case.display());
        }
        Ok(())
    }

    fn replay(case: &Path) -> anyhow::Result<String> {
        let dir = tempfile::tempdir()?;
        let capture = dir.path().join("case.cap");
        shrike(["capture", "convert"], &[case, &capture])?;
        let (once, again) =
            (shrike(["replay", "--json"], &[&capture])?, shrike(["replay", "--json"], &[&capture])?);
        ensure!(once == again, "two replays differ");
        Ok(String::from_utf8(once)?)
    }

    fn shrike(command: [&str; 2], files: &[&Path]) -> anyhow::Result<Vec<u8>> {
        let output =
            Command::new(e2e::binary("shrike")?).args(command).args(files).stdin(Stdio::null()).output()?;
        ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    }
}
