//! Tags from a file: for runtimes without an API, for tests, and to correct what an API says.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use wildmatch::WildMatch;

use super::{ImageName, Tags};
use crate::config::TagTable;

/// Largest file that is read.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Why a file of tags is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum StaticFileError {
    #[error("cannot read the tags in {path}: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the tags in {path} take {bytes} bytes, more than {MAX_FILE_BYTES}")]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("the tags in {path} are not valid, those read before stay: {source}")]
    Toml { path: PathBuf, source: Box<toml::de::Error> },
    #[error("the tags in {path} are not valid, those read before stay: {source}")]
    Json { path: PathBuf, source: serde_json::Error },
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    container: Vec<Entry>,
}

/// One `[[container]]`. It applies when all its conditions do; the first that applies wins.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Entry {
    /// Start of the container id.
    id: Option<String>,
    /// The control group path, with `*` and `?`.
    cgroup: Option<String>,
    name: String,
    image: Option<String>,
    tags: TagTable,
}

/// The file, read again when it changes.
#[derive(Debug)]
pub(super) struct StaticFile {
    path: PathBuf,
    stamp: Option<(SystemTime, u64)>,
    is_missing: bool,
    content: Content,
}

impl StaticFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, stamp: None, is_missing: false, content: Content::default() }
    }

    /// Reads the file if it has changed; true when it had.
    pub(super) async fn refresh(&mut self) -> Result<bool, StaticFileError> {
        let failed = |source| StaticFileError::Unreadable { path: self.path.clone(), source };
        let meta = match tokio::fs::metadata(&self.path).await {
            Ok(meta) => meta,
            // It is complained about once, and may still appear.
            Err(source) if !std::mem::replace(&mut self.is_missing, true) => return Err(failed(source)),
            Err(_) => return Ok(false),
        };
        self.is_missing = false;
        let stamp = (meta.modified().map_err(failed)?, meta.len());
        if self.stamp == Some(stamp) {
            return Ok(false);
        }
        // A bad file is complained about once, not at every look.
        self.stamp = Some(stamp);
        if meta.len() > MAX_FILE_BYTES {
            return Err(StaticFileError::TooLarge { path: self.path.clone(), bytes: meta.len() });
        }
        let text = tokio::fs::read_to_string(&self.path).await.map_err(failed)?;
        self.content = parse(&self.path, &text)?;
        Ok(true)
    }

    pub(super) fn look_up(&self, container: &str, cgroup: &str) -> Option<Tags> {
        let entry = self.content.container.iter().find(|entry| entry.applies(container, cgroup))?;
        let tags = entry.tags.iter().map(|(key, value)| (key.clone(), value.clone()));
        Some(Tags::new(&entry.name, entry.image.as_deref().and_then(ImageName::parse), tags))
    }
}

impl Entry {
    fn applies(&self, container: &str, cgroup: &str) -> bool {
        let is_conditional = self.id.is_some() || self.cgroup.is_some();
        is_conditional
            && self.id.as_ref().is_none_or(|id| container.starts_with(id.as_str()))
            && self.cgroup.as_ref().is_none_or(|pattern| WildMatch::new(pattern).matches(cgroup))
    }
}

fn parse(path: &Path, text: &str) -> Result<Content, StaticFileError> {
    if path.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_str(text).map_err(|source| StaticFileError::Json { path: path.to_owned(), source })
    } else {
        toml::from_str(text)
            .map_err(|source| StaticFileError::Toml { path: path.to_owned(), source: Box::new(source) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = "
        [[container]]
        id = 'abc'
        name = 'web'
        image = 'reg:5/web:1'
        tags = { kube_namespace = 'shop' }
        [[container]]
        cgroup = '/docker/*'
        name = 'any'
        [[container]]
        name = 'without a condition it applies to nothing'
    ";

    fn name(file: &StaticFile, id: &str, cgroup: &str) -> Option<String> {
        file.look_up(id, cgroup).map(|tags| tags.container_name)
    }

    #[tokio::test]
    async fn a_container_is_found_by_id_or_by_its_control_group_and_the_first_entry_wins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tags.toml");
        std::fs::write(&path, TOML).unwrap();
        let mut file = StaticFile::new(path);
        assert!(file.refresh().await.unwrap());
        assert_eq!(name(&file, "abcdef", "/docker/abcdef").as_deref(), Some("web"));
        assert_eq!(name(&file, "ffff", "/docker/ffff").as_deref(), Some("any"));
        assert_eq!(name(&file, "ffff", "/kubepods/ffff"), None);
        let tags = file.look_up("abc", "").unwrap();
        assert_eq!(tags.list().first().map(String::as_str), Some("container_name:web"));
        assert!(tags.list().contains(&"kube_namespace:shop".to_owned()));
    }

    #[tokio::test]
    async fn a_changed_file_is_read_again_and_a_bad_one_keeps_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tags.json");
        std::fs::write(&path, r#"{"container":[{"id":"a","name":"one"}]}"#).unwrap();
        let mut file = StaticFile::new(path.clone());
        assert!(file.refresh().await.unwrap());
        assert!(!file.refresh().await.unwrap());
        std::fs::write(&path, r#"{"container":[{"id":"a","name":"number-two"}]}"#).unwrap();
        assert!(file.refresh().await.unwrap());
        std::fs::write(&path, "{").unwrap();
        assert!(file.refresh().await.unwrap_err().to_string().contains("tags.json"));
        assert_eq!(name(&file, "a", "").as_deref(), Some("number-two"));
    }
}
