//! What is known of a container besides its id: names, image, pod. Also called its tags.
//!
//! Events never wait for tags; only payloads for the reporter do, in the outbox and not for long. Answers come from outside
//! and are untrusted: bounded in size and time, and cleaned before they become tags.

mod cache;
mod docker;
mod image_name;
mod resolver;
mod runtime;
mod static_file;

pub use cache::{Directory, Lookup};
pub use image_name::ImageName;
pub use resolver::{Resolve, TagManager};

use std::collections::BTreeMap;

/// Longest value of a tag, in characters; longer ones are cut.
const MAX_VALUE_CHARS: usize = 200;

/// The labels of Kubernetes that container runtimes carry, and the tags they become.
const POD_LABELS: [(&str, &str); 3] = [
    ("io.kubernetes.pod.namespace", "kube_namespace"),
    ("io.kubernetes.pod.name", "pod_name"),
    ("io.kubernetes.container.name", "kube_container_name"),
];

/// What is known of one container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags {
    /// Name of the container, may be empty.
    pub container_name: String,
    /// The image, if it has a name.
    pub image: Option<ImageName>,
    /// `key:value`, sorted by key.
    tags: Vec<String>,
}

impl Tags {
    /// Tags from what a resolver found; `extra` tags win over those that follow from the rest.
    #[must_use]
    pub fn new(
        container_name: &str,
        image: Option<ImageName>,
        extra: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut tags: BTreeMap<String, String> = BTreeMap::new();
        if !container_name.is_empty() {
            tags.insert("container_name".to_owned(), clean(container_name));
        }
        if let Some(image) = &image {
            tags.insert("image_name".to_owned(), clean(&image.name));
            tags.insert("short_image".to_owned(), clean(&image.short));
            if let Some(tag) = &image.tag {
                tags.insert("image_tag".to_owned(), clean(tag));
            }
        }
        tags.extend(extra.into_iter().map(|(key, value)| (clean(&key), clean(&value))));
        let tags = tags.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
        Self { container_name: clean(container_name), image, tags }
    }

    /// The tags, `key:value`, without the container id.
    #[must_use]
    pub fn list(&self) -> &[String] {
        &self.tags
    }
}

/// The tags that follow from the labels of a container.
fn pod_tags(labels: &BTreeMap<String, String>) -> impl Iterator<Item = (String, String)> {
    POD_LABELS.into_iter().filter_map(|(label, tag)| {
        labels.get(label).filter(|value| !value.is_empty()).map(|value| (tag.to_owned(), value.clone()))
    })
}

/// Makes a text fit to be part of a tag: a comma or a control character would let a container forge tags.
fn clean(text: &str) -> String {
    let fit = |c: char| if c == ',' || c.is_control() || c.is_whitespace() { '_' } else { c };
    text.chars().take(MAX_VALUE_CHARS).map(fit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tags_follow_from_name_image_and_pod() {
        let pod = [("io.kubernetes.pod.name".to_owned(), "web-1".to_owned())].into();
        let tags = Tags::new("web", ImageName::parse("reg:5/team/web:1"), pod_tags(&pod));
        let expected = [
            "container_name:web",
            "image_name:reg:5/team/web",
            "image_tag:1",
            "pod_name:web-1",
            "short_image:web",
        ];
        assert_eq!(tags.list(), expected);
    }

    #[test]
    fn a_container_cannot_forge_a_tag() {
        let tags = Tags::new("web,image_name:trusted\n", None, []);
        assert_eq!(tags.list(), ["container_name:web_image_name:trusted_"]);
    }
}
