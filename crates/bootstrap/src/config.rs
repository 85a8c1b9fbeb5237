//! Reads one TOML file into one typed configuration, and refuses values that cannot mean anything.
//!
//! The functions at the end are for `#[serde(deserialize_with)]`: what they refuse stops the start, with its key and line.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

/// Longer than anything here waits for anything; more is a slip of the hand.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a configuration file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not what the service expects; the cause names the line, the key and what was expected.
    #[error("the configuration {path} is not valid, nothing was started: {source}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<toml::de::Error>,
    },
}

/// Reads `path`; without a path the defaults of `T` apply.
///
/// # Errors
/// When the file cannot be read, is not TOML, has an unknown key or a value that its type refuses.
pub fn load<T: DeserializeOwned + Default>(path: Option<&Path>) -> Result<T, ConfigError> {
    let Some(path) = path else { return Ok(T::default()) };
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    toml::from_str(&text)
        .map_err(|source| ConfigError::Invalid { path: path.to_owned(), source: Box::new(source) })
}

/// An absolute path: a service is started in whatever directory its manager likes.
///
/// # Errors
/// When it is empty or relative.
pub fn absolute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    if path.is_absolute() {
        return Ok(path);
    }
    Err(D::Error::custom(format_args!("{path:?} is not an absolute path, one that begins with /")))
}

/// The same where there need not be one.
///
/// # Errors
/// When it is empty or relative.
pub fn maybe_absolute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    absolute(deserializer).map(Some)
}

/// The same for a list.
///
/// # Errors
/// When one is empty or relative.
pub fn all_absolute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    let paths = Vec::<PathBuf>::deserialize(deserializer)?;
    match paths.iter().find(|path| !path.is_absolute()) {
        None => Ok(paths),
        Some(path) => {
            Err(D::Error::custom(format_args!("{path:?} is not an absolute path, one that begins with /")))
        }
    }
}

/// The same where an empty path says that there is none.
///
/// # Errors
/// When it is relative.
pub fn absolute_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    if path.is_absolute() || path.as_os_str().is_empty() {
        return Ok(path);
    }
    Err(D::Error::custom(format_args!(
        "{path:?} is not an absolute path, one that begins with /, and not empty"
    )))
}

/// A number from 1 to `MOST`: of things that are kept in memory, where more than that is a slip of the hand.
///
/// # Errors
/// When it is 0, more, or no number.
pub fn at_most<'de, const MOST: usize, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<NonZeroUsize, D::Error> {
    let given = NonZeroUsize::deserialize(deserializer)?;
    if given.get() <= MOST {
        return Ok(given);
    }
    Err(D::Error::custom(format_args!("{given} is too much: use a number from 1 to {MOST}")))
}

/// Ids of users.
///
/// # Errors
/// When one is 4294967295, which the kernel takes for "no user".
pub fn uids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
    let uids = Vec::<u32>::deserialize(deserializer)?;
    if uids.contains(&u32::MAX) {
        return Err(D::Error::custom(format_args!("{} is nobody's user id", u32::MAX)));
    }
    Ok(uids)
}

/// A name that is shown with every event, where there need not be one.
///
/// # Errors
/// When it is empty, or has white space, a comma or a control character in it.
pub fn maybe_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let is_odd = |char: char| char.is_whitespace() || char.is_control() || char == ',';
    if name.is_empty() || name.contains(is_odd) {
        return Err(D::Error::custom(format_args!(
            "{name:?} is not a name: leave the key out, or write one without white space and commas"
        )));
    }
    Ok(Some(name))
}

/// Names of environment variables, where there need not be a list.
///
/// # Errors
/// When one is empty or has a `=` in it.
pub fn maybe_variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    match names.iter().find(|name| !is_variable(name)) {
        None => Ok(Some(names)),
        Some(name) => Err(D::Error::custom(no_variable(name))),
    }
}

/// The name of an environment variable, where there need not be one.
///
/// # Errors
/// When it is empty or has a `=` in it.
pub fn maybe_variable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    if is_variable(&name) { Ok(Some(name)) } else { Err(D::Error::custom(no_variable(&name))) }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn no_variable(name: &str) -> String {
    format!("{name:?} is not the name of a variable: write it without = and value")
}

/// A time of at most a day, like `500ms`.
///
/// # Errors
/// When it is longer, or no time.
pub fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let time = humantime::parse_duration(&text).map_err(|error| {
        D::Error::custom(format_args!("{text:?} is not a time like 500ms or 10s: {error}"))
    })?;
    if time <= LONGEST {
        return Ok(time);
    }
    Err(D::Error::custom(format_args!("{text:?} is longer than a day: such a wait never ends")))
}

/// Tags, `key:value` each.
///
/// # Errors
/// When one has no key, no value or a comma, which would make two of it.
pub fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let tags = Vec::<String>::deserialize(deserializer)?;
    let is_tag = |tag: &str| {
        let parts = tag.split_once(':');
        !tag.contains(',') && parts.is_some_and(|(key, value)| !key.is_empty() && !value.is_empty())
    };
    match tags.iter().find(|tag| !is_tag(tag)) {
        None => Ok(tags),
        Some(tag) => Err(D::Error::custom(format_args!(
            "{tag:?} is not a tag: write key:value, without commas, and one tag in each pair of quotes"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Example {
        limit: u16,
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_the_key_and_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.toml");
        std::fs::write(&path, "limit = 3\nlimitt = 4\n").unwrap();
        let text = load::<Example>(Some(&path)).unwrap_err().to_string();
        assert!(text.contains("limitt") && text.contains("x.toml"), "{text}");
    }

    #[derive(Debug, serde::Deserialize)]
    struct Checked {
        #[serde(default, deserialize_with = "maybe_absolute")]
        path: Option<PathBuf>,
        #[serde(default, deserialize_with = "time")]
        wait: Duration,
        #[serde(default, deserialize_with = "tags")]
        tags: Vec<String>,
        #[serde(default, deserialize_with = "all_absolute")]
        sockets: Vec<PathBuf>,
        #[serde(default, deserialize_with = "absolute_or_empty")]
        table: PathBuf,
        #[serde(default, deserialize_with = "some")]
        count: Option<NonZeroUsize>,
        #[serde(default, deserialize_with = "uids")]
        uids: Vec<u32>,
        #[serde(default, deserialize_with = "maybe_name")]
        name: Option<String>,
        #[serde(default, deserialize_with = "maybe_variable")]
        variable: Option<String>,
        #[serde(default, deserialize_with = "maybe_variables")]
        variables: Option<Vec<String>>,
    }

    fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NonZeroUsize>, D::Error> {
        at_most::<1000, D>(deserializer).map(Some)
    }

    #[test]
    fn a_value_that_cannot_mean_anything_is_refused_with_its_key() {
        for line in [
            "path = ''",
            "path = 'run/probe.sock'",
            "wait = '100000000000000s'",
            "wait = 'soon'",
            "tags = ['env:a,team:b']",
            "tags = ['env']",
            "tags = [':a']",
            "sockets = ['/a', 'b']",
            "sockets = ['']",
            "table = 'etc/passwd'",
            "count = 0",
            "count = 1001",
            "count = 9223372036854775807",
            "uids = [0, 4294967295]",
            "name = ''",
            "name = 'a b'",
            "name = 'a,b'",
            "variable = ''",
            "variable = 'A=b'",
            "variables = ['A', 'B=c']",
            "variables = ['']",
        ] {
            let error = toml::from_str::<Checked>(line).unwrap_err().to_string();
            let key = line.split_whitespace().next().unwrap();
            assert!(error.contains("line 1") && error.contains(key), "{line}: {error}");
        }
        let good = "path = '/run/x'\nwait = '1day'\ntags = ['env:a', 'url:http://x']\nsockets = ['/a']\ntable = ''\n\
                    count = 1000\nuids = [7]\nname = 'web-1.example'\nvariable = 'KEY'\nvariables = []\n";
        let checked: Checked = toml::from_str(good).unwrap();
        assert_eq!((checked.path, checked.wait), (Some("/run/x".into()), LONGEST));
        assert_eq!((checked.tags.len(), checked.sockets.len(), checked.uids), (2, 1, vec![7]));
        assert_eq!((checked.table, checked.count.map(NonZeroUsize::get)), (PathBuf::new(), Some(1000)));
        assert_eq!(
            (checked.name.as_deref(), checked.variable.as_deref()),
            (Some("web-1.example"), Some("KEY"))
        );
        assert_eq!(checked.variables, Some(Vec::new()));
    }

    #[test]
    fn without_a_file_the_defaults_apply() {
        assert_eq!(load::<Example>(None).unwrap().limit, 0);
    }
}
