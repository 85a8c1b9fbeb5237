//! The programs of one version, and the configuration files that its own `shrike run` writes.
//!
//! The bench knows almost nothing of configurations: it takes what that version generates and changes single keys. So
//! the first version and any later one are started alike.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use toml::{Table, Value};

/// Where the events of a stack go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taker {
    /// Nobody: only what matched would be rendered, and nothing matches.
    Nobody,
    /// All of them to a file.
    File,
    /// All of them to an intake, compressed with zstd.
    Intake,
}

/// One build of Shrike.
#[derive(Debug, Clone)]
pub struct Programs {
    /// What it is called in the report.
    pub name: &'static str,
    /// Where its programs are.
    pub dir: PathBuf,
    probe: Table,
    analyzer: Table,
    reporter: Table,
}

/// What differs from stack to stack.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The run directory.
    pub run_dir: &'a Path,
    /// The control group that is watched.
    pub cgroup: &'a str,
    /// Who takes events.
    pub taker: Taker,
    /// The file for events.
    pub output: &'a Path,
    /// The intake and the file with its key.
    pub intake: Option<(&'a str, &'a Path)>,
}

impl Programs {
    /// Lets `shrike run` of that directory write its configurations once.
    ///
    /// # Errors
    /// When it does not, within 20 s.
    pub async fn learn(name: &'static str, dir: &Path) -> anyhow::Result<Self> {
        let scratch = tempfile::tempdir()?;
        let run_dir = scratch.path().join("run");
        let output = format!("file={}", scratch.path().join("output/events.json").display());
        let mut run = Command::new(dir.join("shrike"))
            .args(["run", "--scope", "cgroup=/shrike-bench-nobody", "--output", &output, "--run-dir"])
            .arg(&run_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", dir.join("shrike").display()))?;
        let read = |service: &str| -> Option<Table> {
            std::fs::read_to_string(run_dir.join(format!("{service}.toml"))).ok()?.parse().ok()
        };
        let mut tables = None;
        for _ in 0..2000 {
            tables =
                read("probe").zip(read("analyzer")).zip(read("reporter").filter(|table| !table.is_empty()));
            if tables.is_some() || run.try_wait()?.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        crate::stack::end(&mut run)?;
        let ((probe, analyzer), reporter) =
            tables.with_context(|| format!("{}/shrike run wrote no configurations", dir.display()))?;
        let mut programs = Self { name, dir: dir.to_owned(), probe, analyzer, reporter };
        // Sockets are somewhere below the run directory; which one it is, is said for each stack.
        for table in [&mut programs.probe, &mut programs.analyzer, &mut programs.reporter] {
            let text = toml::to_string(table)?.replace(&*run_dir.to_string_lossy(), RUN_DIR);
            *table = text.parse()?;
        }
        Ok(programs)
    }

    /// The same, whose probe reports these kinds and no others.
    #[must_use]
    pub fn with_kinds(mut self, kinds: &[String]) -> Self {
        let kinds = kinds.iter().map(|kind| Value::from(kind.as_str())).collect();
        self.probe.insert("kinds".to_owned(), Value::Array(kinds));
        self
    }

    /// Writes the configurations of one stack into `dir`.
    ///
    /// # Errors
    /// When a file cannot be written, or an intake is wanted and none is there.
    pub fn write_configs(&self, dir: &Path, wanted: &Wanted<'_>) -> anyhow::Result<()> {
        let (mut probe, mut analyzer, mut reporter) =
            (self.probe.clone(), self.analyzer.clone(), self.reporter.clone());
        probe.insert("scope".to_owned(), format!("cgroup={}", wanted.cgroup).into());
        if wanted.taker == Taker::Nobody {
            set(&mut analyzer, "output", "events", "matched".into());
            // Else the probe would not observe what nobody takes, and there would be nothing to measure.
            set(&mut analyzer, "kinds", "always", Value::Array(vec!["open".into()]));
        }
        // Rotation throws the oldest away; the bench wants to look at all of it.
        set(&mut reporter, "file", "path", wanted.output.to_string_lossy().as_ref().into());
        set(&mut reporter, "file", "max_bytes", Value::Integer(1 << 40));
        if wanted.taker == Taker::Intake {
            let (url, key) = wanted.intake.context("no intake was started")?;
            reporter.remove("file");
            set(&mut reporter, "intake", "url", url.into());
            set(&mut reporter, "intake", "api_key_file", key.to_string_lossy().as_ref().into());
            set(&mut reporter, "intake", "compression_kind", "zstd".into());
            set(&mut reporter, "intake", "batch_wait", "1s".into());
        }
        std::fs::create_dir_all(dir)?;
        for (name, table) in [("probe", probe), ("analyzer", analyzer), ("reporter", reporter)] {
            let text = toml::to_string(&table)?.replace(RUN_DIR, &wanted.run_dir.to_string_lossy());
            std::fs::write(dir.join(format!("{name}.toml")), text)?;
        }
        Ok(())
    }

    /// One of its programs.
    ///
    /// # Errors
    /// When it was not built.
    pub fn program(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.dir.join(name);
        ensure!(path.is_file(), "{} does not exist", path.display());
        Ok(path)
    }

    /// Where its analyzer is reached.
    ///
    /// # Errors
    /// When its configuration does not say.
    pub fn api(&self, run_dir: &Path) -> anyhow::Result<PathBuf> {
        let api = self.analyzer.get("sockets").and_then(|sockets| sockets.get("api")).and_then(Value::as_str);
        let api = api.context("analyzer.toml has no sockets.api")?;
        Ok(api.replace(RUN_DIR, &run_dir.to_string_lossy()).into())
    }
}

/// Stands for the run directory in the tables.
const RUN_DIR: &str = "@RUN_DIR@";

fn set(table: &mut Table, section: &str, key: &str, value: Value) {
    let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Some(section) = section.as_table_mut() {
        section.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs() -> Programs {
        Programs {
            name: "x",
            dir: "/x".into(),
            probe: "socket = '@RUN_DIR@/probe.sock'\nscope = 'host'".parse().unwrap(),
            analyzer: "[sockets]\napi = '@RUN_DIR@/a'\n[tags]\nx = 1".parse().unwrap(),
            reporter: "allowed_uids = [7]\n[file]\npath = '/old'".parse().unwrap(),
        }
    }

    fn written(taker: Taker, name: &str) -> Table {
        let dir = tempfile::tempdir().unwrap();
        let wanted = Wanted {
            run_dir: Path::new("/run/x"),
            cgroup: "/c",
            taker,
            output: Path::new("/new"),
            intake: Some(("http://i", Path::new("/key"))),
        };
        programs().write_configs(dir.path(), &wanted).unwrap();
        std::fs::read_to_string(dir.path().join(name)).unwrap().parse().unwrap()
    }

    #[test]
    fn what_a_version_generates_stays_and_single_keys_change() {
        let probe = written(Taker::File, "probe.toml");
        assert_eq!(probe["socket"].as_str(), Some("/run/x/probe.sock"));
        assert_eq!(probe["scope"].as_str(), Some("cgroup=/c"));
        let reporter = written(Taker::File, "reporter.toml");
        assert_eq!(reporter["file"]["path"].as_str(), Some("/new"));
        assert_eq!(reporter["allowed_uids"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn only_the_stack_without_taker_says_that_matched_events_are_wanted() {
        assert_eq!(written(Taker::Nobody, "analyzer.toml")["output"]["events"].as_str(), Some("matched"));
        let always = written(Taker::Nobody, "analyzer.toml")["kinds"]["always"].clone();
        assert_eq!(always, Value::Array(vec!["open".into()]));
        assert!(written(Taker::File, "analyzer.toml").get("output").is_none());
    }

    #[test]
    fn an_intake_replaces_the_file_and_compresses_with_zstd() {
        let reporter = written(Taker::Intake, "reporter.toml");
        assert!(reporter.get("file").is_none());
        assert_eq!(reporter["intake"]["compression_kind"].as_str(), Some("zstd"));
    }
}
