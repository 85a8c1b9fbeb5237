//! Dumps as files: which formats there are, what each holds, and reading them back.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use activity_tree::{DecodeError, Dump, Options, Profile, Selector, Tree};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::NO_SYSCALL_NAMES;

/// The largest file that is read, unpacked.
pub const MAX_FILE_BYTES: usize = 512 << 20;
/// The largest tree that is made of a file.
const MAX_TREE_BYTES: usize = 1 << 30;

/// What a file of a dump is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// The recording, `SecDump`.
    Protobuf,
    /// The recording as a profile of its image, `SecurityProfile`.
    Profile,
    /// The recording, or a profile, for people and programs.
    Json,
    /// A drawing for Graphviz.
    Dot,
    /// A page to look at.
    Html,
}

impl Format {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Protobuf, Self::Profile, Self::Json, Self::Dot, Self::Html];

    /// Its name, which is also the ending of its files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::Profile => "profile",
            Self::Json => "json",
            Self::Dot => "dot",
            Self::Html => "html",
        }
    }

    /// Whether files of it can be read back.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        matches!(self, Self::Protobuf | Self::Profile | Self::Json)
    }

    /// What a file is by its name, and whether it is packed.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<(Self, bool)> {
        let name = path.file_name()?.to_str()?;
        let (name, is_packed) = name.strip_suffix(".gz").map_or((name, false), |name| (name, true));
        let (_, ending) = name.rsplit_once('.')?;
        Some((ending.parse().ok()?, is_packed))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    /// By its name; a point in front is passed over, as people write both.
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let name = text.strip_prefix('.').unwrap_or(text);
        Self::ALL.into_iter().find(|one| one.name() == name).ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// A name that no format has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no format of dumps: use protobuf, profile, json, dot or html")]
pub struct UnknownFormat(String);

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The name does not say what it is.
    #[error("its name ends in none of .protobuf, .profile, .json, each also .gz")]
    UnknownEnding,
    /// Drawings hold no tree.
    #[error("a .{0} is a drawing, which cannot be read back: give the .protobuf, .profile or .json")]
    Drawing(Format),
    /// It is not what its name says.
    #[error(transparent)]
    Damaged(#[from] DecodeError),
}

/// What was read of a file.
#[derive(Debug, Clone)]
pub enum Recorded {
    /// A recording.
    Dump(Box<Dump>),
    /// A profile.
    Profile(Box<Profile>),
}

/// Reads a file; its name says what it is.
///
/// # Errors
/// See [`ReadError`].
pub fn read(path: &Path, bytes: &[u8]) -> Result<Recorded, ReadError> {
    let (format, is_packed) = Format::of_path(path).ok_or(ReadError::UnknownEnding)?;
    if !format.is_readable() {
        return Err(ReadError::Drawing(format));
    }
    let unpacked = is_packed.then(|| activity_tree::gunzip(bytes, MAX_FILE_BYTES)).transpose()?;
    let bytes = unpacked.as_deref().unwrap_or(bytes);
    if bytes.len() > MAX_FILE_BYTES {
        return Err(DecodeError::TooLarge { max_bytes: MAX_FILE_BYTES }.into());
    }
    let options = Options { max_bytes: MAX_TREE_BYTES, ..Options::default() };
    let is_profile = match format {
        Format::Profile => true,
        Format::Json => is_profile(bytes),
        Format::Protobuf | Format::Dot | Format::Html => false,
    };
    Ok(match (is_profile, format) {
        (true, Format::Json) => Recorded::Profile(Box::new(Profile::from_json(bytes, options)?)),
        (true, _) => Recorded::Profile(Box::new(Profile::from_protobuf(bytes, options)?)),
        (false, Format::Json) => Recorded::Dump(Box::new(Dump::from_json(bytes, options)?)),
        (false, _) => Recorded::Dump(Box::new(Dump::from_protobuf(bytes, options)?)),
    })
}

/// Whether JSON is that of a profile: only those have these names at the top.
fn is_profile(json: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Top {
        selector: Option<IgnoredAny>,
        profile_contexts: Option<IgnoredAny>,
    }
    serde_json::from_slice::<Top>(json)
        .is_ok_and(|top| top.selector.is_some() || top.profile_contexts.is_some())
}

impl Recorded {
    /// What was done.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        match self {
            Self::Dump(dump) => &dump.tree,
            Self::Profile(profile) => &profile.tree,
        }
    }

    /// The recording; a profile becomes one with the tags of all its versions.
    #[must_use]
    pub fn into_dump(self) -> Dump {
        match self {
            Self::Dump(dump) => *dump,
            Self::Profile(profile) => {
                let mut tags: Vec<String> =
                    profile.contexts.values().flat_map(|context| context.tags.iter().cloned()).collect();
                tags.sort_unstable();
                tags.dedup();
                Dump {
                    host: String::new(),
                    service: String::new(),
                    source: crate::SOURCE.to_owned(),
                    metadata: profile.metadata,
                    tags,
                    tree: profile.tree,
                }
            }
        }
    }

    /// As a file of a format. A profile stays one as JSON.
    #[must_use]
    pub fn encode(self, format: Format) -> Vec<u8> {
        match (self, format) {
            (Self::Profile(mut profile), Format::Profile) => {
                profile.metadata.serialization = format.name().to_owned();
                profile.to_protobuf()
            }
            (Self::Profile(mut profile), Format::Json) => {
                profile.metadata.serialization = format.name().to_owned();
                profile.to_json().into_bytes()
            }
            (recorded, _) => encode(recorded.into_dump(), format),
        }
    }
}

/// A recording as a file of a format.
fn encode(mut dump: Dump, format: Format) -> Vec<u8> {
    dump.metadata.serialization = format.name().to_owned();
    match format {
        Format::Protobuf => dump.to_protobuf(),
        Format::Profile => {
            let selector = selector(&dump);
            dump.into_profile(selector).to_protobuf()
        }
        Format::Json => dump.to_json().into_bytes(),
        Format::Dot => dump.to_dot(NO_SYSCALL_NAMES).into_bytes(),
        Format::Html => dump.to_html(NO_SYSCALL_NAMES).into_bytes(),
    }
}

/// The image that a recording is of, as its tags say; `*` is what they do not.
fn selector(dump: &Dump) -> Selector {
    let value = |name: &str| {
        let found = dump.tags.iter().filter_map(|tag| tag.split_once(':')).find(|(key, _)| *key == name);
        found.map_or_else(|| "*".to_owned(), |(_, value)| value.to_owned())
    };
    Selector { image_name: value("image_name"), image_tag: value("image_tag") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_what_a_file_is_and_whether_it_is_packed() {
        let check = |name: &str, expect: Option<(Format, bool)>| {
            assert_eq!(Format::of_path(Path::new(name)), expect, "{name}");
        };
        check("a/b.protobuf", Some((Format::Protobuf, false)));
        check("b.profile.gz", Some((Format::Profile, true)));
        check("b.c.json", Some((Format::Json, false)));
        check("b.txt", None);
        check("json", None);
        assert_eq!(".dot".parse(), Ok(Format::Dot));
        let error = "yaml".parse::<Format>().unwrap_err().to_string();
        assert!(Format::ALL.iter().all(|format| error.contains(format.name())), "{error}");
    }

    #[test]
    fn a_recording_survives_every_format_that_can_be_read_back() {
        let mut dump = Dump::new(Options::default());
        dump.tags = vec!["image_name:web".into(), "image_tag:2".into()];
        dump.metadata.name = "x".into();
        let recorded = Recorded::Dump(Box::new(dump));
        for format in Format::ALL {
            let bytes = recorded.clone().encode(format);
            for (ending, bytes) in [("", bytes.clone()), (".gz", activity_tree::gzip(&bytes))] {
                let read = read(Path::new(&format!("x.{format}{ending}")), &bytes);
                match read {
                    Ok(read) => {
                        assert_eq!(read.clone().encode(format), recorded.clone().encode(format));
                        assert_eq!(matches!(read, Recorded::Profile(_)), format == Format::Profile);
                    }
                    Err(error) => {
                        assert!(!format.is_readable() && matches!(error, ReadError::Drawing(_)), "{error}");
                    }
                }
            }
        }
        let profile = Recorded::Dump(Box::new(recorded.clone().into_dump())).encode(Format::Profile);
        let profile = read(Path::new("x.profile"), &profile).unwrap();
        let json = profile.encode(Format::Json);
        assert!(
            matches!(read(Path::new("x.json"), &json), Ok(Recorded::Profile(profile)) if profile.selector.image_name == "web")
        );
    }

    #[test]
    fn what_is_not_as_its_name_says_is_an_error() {
        assert!(matches!(read(Path::new("x"), b""), Err(ReadError::UnknownEnding)));
        for name in ["x.protobuf", "x.profile", "x.json", "x.json.gz"] {
            assert!(matches!(read(Path::new(name), b"\xff\xff\xff"), Err(ReadError::Damaged(_))), "{name}");
        }
    }
}
