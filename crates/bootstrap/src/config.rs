//! Reads one TOML file into one typed configuration, and refuses values that cannot mean anything.
//!
//! The functions at the end are for `#[serde(deserialize_with)]`: what they refuse stops the start, with its key and line.

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
        ] {
            let error = toml::from_str::<Checked>(line).unwrap_err().to_string();
            let key = line.split_whitespace().next().unwrap();
            assert!(error.contains("line 1") && error.contains(key), "{line}: {error}");
        }
        let good = "path = '/run/x'\nwait = '1day'\ntags = ['env:a', 'url:http://x']\n";
        let checked: Checked = toml::from_str(good).unwrap();
        assert_eq!((checked.path, checked.wait), (Some("/run/x".into()), LONGEST));
        assert_eq!(checked.tags.len(), 2);
    }

    #[test]
    fn without_a_file_the_defaults_apply() {
        assert_eq!(load::<Example>(None).unwrap().limit, 0);
    }
}
