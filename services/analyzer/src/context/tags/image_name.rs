//! Takes the name of an image apart.

/// An image reference, `registry:port/path/name:tag@digest`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageName {
    /// Everything before tag and digest, `reg:5000/team/web`: tag `image_name`.
    pub name: String,
    /// The last part of the name, `web`: tag `short_image`.
    pub short: String,
    /// Tag `image_tag`. A reference without tag and digest means `latest`; one with only a digest has no tag.
    pub tag: Option<String>,
    /// `sha256:…`
    pub digest: Option<String>,
}

impl ImageName {
    /// Takes a reference apart; `None` for what names no image: nothing, or the id of an image.
    #[must_use]
    pub fn parse(reference: &str) -> Option<Self> {
        let reference = reference.trim();
        // Kubernetes writes `docker-pullable://name@digest`.
        let reference = reference.split_once("://").map_or(reference, |(_, rest)| rest);
        if is_id(reference) {
            return None;
        }
        let (rest, digest) = match reference.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (reference, None),
        };
        // A colon before the last slash belongs to the port of the registry.
        let (path, last) = rest.rsplit_once('/').map_or((None, rest), |(path, last)| (Some(path), last));
        let (short, tag) = match last.split_once(':') {
            Some((short, tag)) => (short, Some(tag)),
            None => (last, None),
        };
        if short.is_empty() {
            return None;
        }
        let tag = tag.filter(|tag| !tag.is_empty()).map(str::to_owned);
        Some(Self {
            name: path.map_or_else(|| short.to_owned(), |path| format!("{path}/{short}")),
            short: short.to_owned(),
            tag: tag.or_else(|| digest.is_none().then(|| "latest".to_owned())),
            digest,
        })
    }

    /// `name:tag`, for people.
    #[must_use]
    pub fn display(&self) -> String {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => format!("{}:{tag}", self.name),
            (None, Some(digest)) => format!("{}@{digest}", self.name),
            (None, None) => self.name.clone(),
        }
    }
}

/// Whether a reference is the id of an image rather than a name.
pub(super) fn is_id(reference: &str) -> bool {
    let hex = reference.strip_prefix("sha256:").unwrap_or(reference);
    reference.is_empty() || hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_names_of_all_runtimes_are_taken_apart() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let cases: [(&str, &str, &str, Option<&str>); 11] = [
            ("nginx", "nginx", "nginx", Some("latest")),
            ("nginx:1.27", "nginx", "nginx", Some("1.27")),
            ("localhost/demo:1.0", "localhost/demo", "demo", Some("1.0")),
            ("reg:5000/a/b:tag", "reg:5000/a/b", "b", Some("tag")),
            ("reg:5000/a/b", "reg:5000/a/b", "b", Some("latest")),
            ("docker.io/library/redis:7-alpine", "docker.io/library/redis", "redis", Some("7-alpine")),
            (&format!("gcr.io/x/web@{digest}"), "gcr.io/x/web", "web", None),
            (&format!("gcr.io/x/web:2@{digest}"), "gcr.io/x/web", "web", Some("2")),
            (&format!("docker-pullable://web@{digest}"), "web", "web", None),
            ("web:", "web", "web", Some("latest")),
            (" web:1 ", "web", "web", Some("1")),
        ];
        for (reference, name, short, tag) in cases {
            let parsed = ImageName::parse(reference).unwrap();
            assert_eq!(
                (&*parsed.name, &*parsed.short, parsed.tag.as_deref()),
                (name, short, tag),
                "{reference}"
            );
        }
    }

    #[test]
    fn an_id_or_nothing_is_not_a_name() {
        let id = "0123456789abcdef".repeat(4);
        for reference in ["", " ", "/", ":tag", "a/", "@sha256:x", &id, &format!("sha256:{id}")] {
            assert_eq!(ImageName::parse(reference), None, "{reference}");
        }
    }

    #[test]
    fn people_see_the_digest_when_there_is_no_tag() {
        assert_eq!(ImageName::parse("a/b:1").unwrap().display(), "a/b:1");
        assert_eq!(ImageName::parse("b@sha256:1").unwrap().display(), "b@sha256:1");
    }
}
