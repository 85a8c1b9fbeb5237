//! To and from the `.profile` message, field for field.
//!
//! A file is not trusted: what lies in the future is now, what is too much goes, and a state that nobody knows is learning.

use std::collections::BTreeMap;

use activity_tree::{Context, EventType, EventTypeState, Profile as Message, Refusal, Selector, Tree};

use crate::identity::Key;
use crate::machine::Clock;
use crate::observation::NO_TAG;
use crate::profile::Profile;
use crate::settings::Settings;
use crate::state::Kept;
use crate::version::{Ledger, MAX_COUNTED, Version};

/// The tag of all versions of an image.
const ANY_TAG: &str = "*";
/// What the tags begin with that hold what the message has no field for.
const LEDGER: &str = "profile_ledger:";

/// Why a message is no profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It does not say of which image it is.
    #[error("the profile names no image")]
    NoImage,
    /// Its tree cannot be held.
    #[error("the tree of the profile cannot be held: {0}")]
    Refused(#[from] Refusal),
}

/// The number of an event type in files, that of the field; none if it has none.
#[must_use]
pub const fn number_of(event_type: EventType) -> Option<u32> {
    Some(match event_type {
        EventType::Open => 1,
        EventType::Exec => 16,
        EventType::Exit => 17,
        EventType::Dns => 34,
        EventType::Bind => 41,
        EventType::Syscalls => 44,
        EventType::Imds => 45,
        EventType::Flow => 50,
        EventType::Capability => 59,
        EventType::Other => return None,
    })
}

impl Profile {
    /// As the message of a file.
    #[must_use]
    pub fn to_message(&self) -> Message {
        Message {
            metadata: self.metadata.clone(),
            selector: Selector { image_name: self.image.clone(), image_tag: ANY_TAG.to_owned() },
            contexts: self.versions.iter().map(|(tag, version)| (tag.clone(), context(version))).collect(),
            disabled: self.is_disabled,
            tree: self.tree.clone(),
        }
    }

    /// From the message of a file, read at `now_ns`.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn from_message(
        message: &Message,
        settings: Settings,
        key: Key,
        now_ns: u64,
    ) -> Result<Self, FileError> {
        if message.selector.image_name.is_empty() {
            return Err(FileError::NoImage);
        }
        let differentiate_args = settings.differentiate_args || message.tree.options().differentiate_args;
        let mut profile =
            Self::new(&message.selector.image_name, Settings { differentiate_args, ..settings }, key);
        profile.metadata = message.metadata.clone();
        profile.metadata.differentiate_args = differentiate_args;
        profile.is_disabled = message.disabled;
        // What a look-up compares may be set otherwise than when it was written.
        let mut tree = Tree::new(profile.settings.options()).merge(&message.tree)?;
        let is_unnamed = |tag: &str| tag.is_empty() || tag == ANY_TAG;
        if message.tree.stats().processes > 0 && message.contexts.keys().all(|tag| is_unnamed(tag)) {
            tree.name_untagged(NO_TAG)?;
        }
        profile.tree = tree;
        for (tag, context) in &message.contexts {
            let tag = if is_unnamed(tag) { NO_TAG } else { tag };
            let restored = version(context, &profile.settings, now_ns);
            profile.versions.entry(tag.to_owned()).or_insert(restored);
        }
        profile.evict_beyond(profile.settings.max_image_tags.max(1));
        Ok(profile)
    }
}

fn context(version: &Version) -> Context {
    let mut event_types = version.others.clone();
    for (known, clock) in &version.clocks {
        if let Some(number) = number_of(*known) {
            let state =
                EventTypeState { last_anomaly: clock.last_new_ns(), state: clock.kept().state() as u32 };
            event_types.insert(number, state);
        }
    }
    let mut tags = version.tags.clone();
    tags.extend(ledger_tags(&version.ledger));
    Context {
        first_seen: version.first_seen_ns,
        last_seen: version.last_seen_ns,
        event_types,
        syscalls: version.syscalls.iter().copied().collect(),
        tags,
    }
}

fn version(context: &Context, settings: &Settings, now_ns: u64) -> Version {
    let first_seen_ns = context.first_seen.min(now_ns);
    let (ledger_tags, tags): (Vec<_>, Vec<_>) =
        context.tags.iter().cloned().partition(|tag| tag.starts_with(LEDGER));
    let mut version = Version::new(settings, &tags, first_seen_ns);
    version.last_seen_ns = context.last_seen.min(now_ns).max(first_seen_ns);
    version.syscalls = context.syscalls.iter().copied().collect();
    version.others = context.event_types.clone();
    for (known, clock) in &mut version.clocks {
        let state = number_of(*known).and_then(|number| version.others.remove(&number));
        *clock = match state {
            Some(state) => Clock::restored(Kept::from_number(state.state), state.last_anomaly, now_ns),
            None => Clock::restored(Kept::AutoLearning, version.last_seen_ns, now_ns),
        };
    }
    version.ledger = ledger(&ledger_tags);
    version.set_idle();
    version
}

fn ledger_tags(ledger: &Ledger) -> Vec<String> {
    let instances = u64::try_from(ledger.instances()).unwrap_or(u64::MAX);
    let numbers = [("seen", ledger.seen), ("unobserved_ns", ledger.unobserved_ns), ("instances", instances)];
    let mut tags: Vec<String> =
        numbers.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{LEDGER}{name}:{n}")).collect();
    tags.extend(ledger.lost.iter().map(|(known, n)| format!("{LEDGER}lost:{}:{n}", known.name())));
    tags
}

/// What cannot be read of it is passed over.
fn ledger(tags: &[String]) -> Ledger {
    let mut ledger = Ledger::default();
    let mut lost: BTreeMap<EventType, u64> = BTreeMap::new();
    for tag in tags.iter().filter_map(|tag| tag.strip_prefix(LEDGER)) {
        let Some((name, n)) = tag.rsplit_once(':').and_then(|(name, n)| Some((name, n.parse::<u64>().ok()?)))
        else {
            continue;
        };
        match name {
            "seen" => ledger.seen = n,
            "unobserved_ns" => ledger.unobserved_ns = n,
            "instances" => {
                ledger.instances_before = usize::try_from(n).unwrap_or(MAX_COUNTED).min(MAX_COUNTED)
            }
            _ => {
                let known = name.strip_prefix("lost:");
                let known =
                    known.and_then(|name| EventType::ALL.into_iter().find(|known| known.name() == name));
                lost.extend(known.map(|known| (known, n)));
            }
        }
    }
    ledger.lost = lost;
    ledger
}
