//! What each service is told: its configuration, and how it is started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use event::ScopeRule;
use serde_json::{Value, json};

use super::identity::{Identities, api_uids};
use super::logs::Voice;
use super::output::Output;
use super::programs;
use super::run_dir::RunDir;
use super::service::{Ready, Spec, Stops};
use crate::failure::Failure;
use crate::view::paint::{Paint, Tone};

/// What the user chose.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// What is watched.
    pub(crate) scope: ScopeRule,
    /// Where events go.
    pub(crate) output: Output,
    /// The API key of the intake, where the reporter can read it.
    pub(crate) api_key: Option<PathBuf>,
    /// Tags of containers that no runtime knows.
    pub(crate) static_tags: Option<PathBuf>,
    /// Whether somebody waits for the first events at the intake: then batches are sent as early as allowed.
    pub(crate) in_a_hurry: bool,
}

/// The services to start, in order, and where they are reached.
#[derive(Debug)]
pub(crate) struct Plan {
    /// In the order of their start.
    pub(crate) services: Vec<Spec>,
    /// Socket of the analyzer.
    pub(crate) analyzer_socket: PathBuf,
}

/// The configuration file of each service, and the sockets in them.
struct Files {
    probe: PathBuf,
    analyzer: PathBuf,
    reporter: PathBuf,
    probe_socket: PathBuf,
    analyzer_socket: PathBuf,
    reporter_socket: PathBuf,
}

impl Plan {
    /// Writes configurations for `settings` into `dir`.
    pub(crate) fn generate(
        settings: &Settings,
        dir: &RunDir,
        users: &Identities,
        paint: Paint,
    ) -> Result<Self, Failure> {
        let files = Files {
            probe: write(dir, "probe.toml", &probe(settings, dir, users))?,
            analyzer: write(dir, "analyzer.toml", &analyzer(settings, dir))?,
            reporter: write(dir, "reporter.toml", &reporter(settings, dir, users))?,
            probe_socket: dir.probe_socket(),
            analyzer_socket: dir.analyzer_own_socket(),
            reporter_socket: dir.reporter_socket(),
        };
        let stdout = settings.output == Output::Stdout;
        let services = specs(&files, stdout, users, None, paint)?;
        Ok(Self { services, analyzer_socket: dir.analyzer_socket() })
    }

    /// The same with errors only in the logs: for somebody who looks at something else.
    pub(crate) fn quiet(mut self) -> Self {
        for service in &mut self.services {
            service.log_level = "error";
        }
        self
    }

    /// The same with an analyzer that keeps the supplementary groups of `user`. Only for a user that was named: a
    /// group that may ask a container runtime is as powerful as root, and nobody gets it by chance.
    pub(crate) fn with_groups_of(mut self, user: Option<&str>) -> Self {
        for analyzer in self.services.iter_mut().filter(|service| service.stops == Stops::Second) {
            analyzer.groups_of = user.map(str::to_owned);
        }
        self
    }

    /// Uses the configurations in `config_dir` as they are.
    pub(crate) fn of_config_dir(
        config_dir: &Path,
        users: &Identities,
        paint: Paint,
    ) -> Result<Self, Failure> {
        let [probe, analyzer, reporter] =
            ["probe.toml", "analyzer.toml", "reporter.toml"].map(|name| config_dir.join(name));
        let tables = [&probe, &analyzer, &reporter].map(|path| read(path));
        let [probe_table, analyzer_table, reporter_table] = tables;
        let (probe_table, analyzer_table, reporter_table) = (probe_table?, analyzer_table?, reporter_table?);
        let files = Files {
            probe_socket: path_at(&probe_table, &["socket"], "/run/shrike/probe.sock"),
            analyzer_socket: path_at(&analyzer_table, &["sockets", "api"], "/run/shrike/analyzer.sock"),
            reporter_socket: path_at(&reporter_table, &["socket"], "/run/shrike/reporter.sock"),
            probe,
            analyzer,
            reporter,
        };
        let analyzer_socket = files.analyzer_socket.clone();
        // Harmless when the reporter writes elsewhere: it has nothing else to say on standard output.
        let api_key_env = text_at(&reporter_table, &["intake", "api_key_env"]).map(str::to_owned);
        Ok(Self { services: specs(&files, true, users, api_key_env, paint)?, analyzer_socket })
    }
}

/// What the HTTP client of the reporter looks at: whom to trust.
const REPORTER_ENVIRONMENT: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

fn specs(
    files: &Files,
    stdout: bool,
    users: &Identities,
    api_key_env: Option<String>,
    paint: Paint,
) -> Result<Vec<Spec>, Failure> {
    let config = |path: &Path| -> Vec<OsString> { vec!["--config".into(), path.into()] };
    let secs = Duration::from_secs;
    let voice = |name, tone| Voice { name, tone, paint };
    Ok(vec![
        Spec {
            voice: voice("reporter", Tone::Exit),
            stops: Stops::Third,
            program: programs::find("shrike-reporter")?,
            args: config(&files.reporter),
            identity: Some(users.reporter),
            groups_of: None,
            has_network: true,
            environment: REPORTER_ENVIRONMENT.map(str::to_owned).into_iter().chain(api_key_env).collect(),
            owns_stdout: stdout,
            log_level: "info",
            ready: Ready::Socket(files.reporter_socket.clone()),
            ready_within: secs(10),
            grace: secs(15),
            next: "check --output and --api-key-file",
        },
        Spec {
            voice: voice("probe", Tone::Exec),
            stops: Stops::First,
            program: programs::find("shrike-probe")?,
            args: config(&files.probe),
            identity: None,
            groups_of: None,
            has_network: false,
            environment: Vec::new(),
            owns_stdout: false,
            log_level: "info",
            ready: Ready::Socket(files.probe_socket.clone()),
            // An emulated machine takes seconds to verify the programs.
            ready_within: secs(60),
            grace: secs(10),
            next: "`sudo shrike doctor` checks what this kernel allows",
        },
        Spec {
            voice: voice("analyzer", Tone::Open),
            stops: Stops::Second,
            program: programs::find("shrike-analyzer")?,
            args: config(&files.analyzer),
            identity: Some(users.analyzer),
            groups_of: None,
            has_network: false,
            environment: Vec::new(),
            owns_stdout: false,
            log_level: "info",
            ready: Ready::Socket(files.analyzer_socket.clone()),
            ready_within: secs(10),
            grace: secs(10),
            next: "check its configuration, or name another user with --user",
        },
    ])
}

fn probe(settings: &Settings, dir: &RunDir, users: &Identities) -> Value {
    json!({
        "socket": dir.probe_socket(),
        "allow_uid": users.analyzer.uid,
        "run_as": users.probe.uid,
        "scope": settings.scope.to_string(),
    })
}

fn analyzer(settings: &Settings, dir: &RunDir) -> Value {
    let mut config = json!({
        "sockets": {
            "probe": dir.probe_socket(),
            "reporter": dir.reporter_socket(),
            "api": dir.analyzer_own_socket(),
            "api_uids": api_uids(),
        },
    });
    if let (Some(path), Some(table)) = (&settings.static_tags, config.as_object_mut()) {
        table.insert("tags".into(), json!({ "static_file": path }));
    }
    config
}

fn write(dir: &RunDir, name: &str, config: &Value) -> Result<PathBuf, Failure> {
    let text = toml::to_string(config).map_err(|error| Failure::Config {
        path: dir.path().join(name),
        message: format!("cannot be written as TOML: {error}"),
    })?;
    dir.write(name, &format!("# Written by shrike for this run; removed at its end.\n{text}"))
}

fn read(path: &Path) -> Result<toml::Table, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::Config {
        path: path.to_owned(),
        message: format!(
            "cannot be read: {error}; --config-dir names a directory with one file for each service"
        ),
    })?;
    text.parse().map_err(|error: toml::de::Error| Failure::Config {
        path: path.to_owned(),
        message: format!("not TOML: {error}"),
    })
}

/// The uid of the analyzer, where the configuration of the probe in `config_dir` names it.
pub(crate) fn analyzer_uid(config_dir: &Path) -> Result<Option<u32>, Failure> {
    let table = read(&config_dir.join("probe.toml"))?;
    let uid = table.get("allow_uid").and_then(toml::Value::as_integer);
    Ok(uid.and_then(|uid| u32::try_from(uid).ok()))
}

fn path_at(table: &toml::Table, keys: &[&str], default: &str) -> PathBuf {
    text_at(table, keys).unwrap_or(default).into()
}

fn text_at<'a>(table: &'a toml::Table, keys: &[&str]) -> Option<&'a str> {
    let (last, sections) = keys.split_last()?;
    let section =
        sections.iter().try_fold(table, |table, key| table.get(*key).and_then(toml::Value::as_table));
    section?.get(*last)?.as_str()
}

fn reporter(settings: &Settings, dir: &RunDir, users: &Identities) -> Value {
    let mut config = json!({ "socket": dir.reporter_socket(), "allowed_uids": [users.analyzer.uid] });
    let (section, output) = match &settings.output {
        Output::Stdout => ("stdout", json!({ "format": "event" })),
        Output::File(path) => ("file", json!({ "path": path })),
        // Waiting longer than a second makes fewer and larger requests; the reporter knows the best default.
        Output::Intake(url) if settings.in_a_hurry => ("intake", json!({ "url": url, "batch_wait": "1s" })),
        Output::Intake(url) => ("intake", json!({ "url": url })),
    };
    if let Some(table) = config.as_object_mut() {
        table.insert(section.into(), output);
    }
    if let (Some(key), Some(intake)) =
        (&settings.api_key, config.pointer_mut("/intake").and_then(Value::as_object_mut))
    {
        intake.insert("api_key_file".into(), json!(key));
    }
    config
}

#[cfg(test)]
mod tests {
    use super::super::run_dir::IfTaken;
    use super::*;

    fn run_dir(parent: &tempfile::TempDir) -> (RunDir, Identities) {
        let own = Identities::own();
        let path = parent.path().join("a dir with \"quotes\"");
        (RunDir::prepare(&path, &own, IfTaken::UsePrivate).unwrap(), own)
    }

    fn settings(output: Output) -> Settings {
        Settings {
            scope: ScopeRule::Cgroup("/x \"y\"".into()),
            output,
            api_key: Some("/run/key".into()),
            static_tags: Some("/run/tags.toml".into()),
            in_a_hurry: false,
        }
    }

    #[test]
    fn the_written_files_say_what_was_chosen_whatever_characters_are_in_it() {
        let parent = tempfile::tempdir().unwrap();
        let (dir, own) = run_dir(&parent);
        let chosen = settings(Output::Intake("https://example.com".into()));
        let path = write(&dir, "probe.toml", &probe(&chosen, &dir, &own)).unwrap();
        let table = read(&path).unwrap();
        assert_eq!(table["scope"].as_str(), Some("cgroup=/x \"y\""));
        assert_eq!(path_at(&table, &["socket"], ""), dir.probe_socket());
        let path = write(&dir, "analyzer.toml", &analyzer(&chosen, &dir)).unwrap();
        let table = read(&path).unwrap();
        assert_eq!(path_at(&table, &["sockets", "api"], ""), dir.analyzer_own_socket());
        assert_eq!(table["tags"]["static_file"].as_str(), Some("/run/tags.toml"));
        let path = write(&dir, "reporter.toml", &reporter(&chosen, &dir, &own)).unwrap();
        let table = read(&path).unwrap();
        assert_eq!(table["intake"]["api_key_file"].as_str(), Some("/run/key"));
    }

    #[test]
    fn only_the_analyzer_keeps_the_groups_of_a_user_and_only_of_a_named_one() {
        let spec = |name, stops| Spec {
            voice: Voice { name, tone: Tone::Exec, paint: Paint::new(false) },
            stops,
            program: name.into(),
            args: Vec::new(),
            identity: None,
            groups_of: None,
            has_network: true,
            environment: Vec::new(),
            owns_stdout: false,
            log_level: "info",
            ready: Ready::File(name.into()),
            ready_within: Duration::ZERO,
            grace: Duration::ZERO,
            next: "",
        };
        let plan = || Plan {
            services: vec![
                spec("reporter", Stops::Third),
                spec("probe", Stops::First),
                spec("analyzer", Stops::Second),
            ],
            analyzer_socket: PathBuf::new(),
        };
        let groups = |plan: Plan| plan.services.into_iter().map(|spec| spec.groups_of).collect::<Vec<_>>();
        assert_eq!(groups(plan().with_groups_of(Some("anna"))), [None, None, Some("anna".to_owned())]);
        assert_eq!(groups(plan().with_groups_of(None)), [None, None, None]);
    }

    #[test]
    fn a_key_that_nobody_needs_is_not_written() {
        let parent = tempfile::tempdir().unwrap();
        let (dir, own) = run_dir(&parent);
        let config = reporter(&settings(Output::Stdout), &dir, &own);
        assert!(config.get("intake").is_none() && config["stdout"]["format"] == "event", "{config}");
    }

    #[test]
    fn sockets_of_given_configurations_are_found_or_the_default_applies() {
        let table: toml::Table = "[sockets]\napi = '/a'\n".parse().unwrap();
        assert_eq!(path_at(&table, &["sockets", "api"], "/d"), PathBuf::from("/a"));
        assert_eq!(path_at(&table, &["socket"], "/d"), PathBuf::from("/d"));
    }
}
