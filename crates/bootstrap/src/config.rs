//! Reads one TOML file into one typed configuration.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

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

    #[test]
    fn without_a_file_the_defaults_apply() {
        assert_eq!(load::<Example>(None).unwrap().limit, 0);
    }
}
