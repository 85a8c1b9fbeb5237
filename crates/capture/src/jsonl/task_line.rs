//! The line of a known process or an event: the task, and what it is about.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserializer, Serialize, Serializer};

use super::parts::{Parts, PartsSeed};
use super::scalar::Bytes;
use super::{CgroupPart, CredentialsPart, ExecPart, KeyPart, LineKind, NamespacesPart};

/// A process that runs already, or an event. `None` = left out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TaskLine {
    pub(crate) kind: LineKind,
    pub(crate) time: Option<u64>,
    pub(crate) pid: u32,
    pub(crate) start_ns: Option<u64>,
    pub(crate) tid: Option<u32>,
    pub(crate) ppid: Option<u32>,
    pub(crate) comm: Option<Bytes>,
    /// Of a known process. Left out: from `ppid`. `null`: not known.
    pub(crate) parent: Option<Option<KeyPart>>,
    /// Of a known process.
    pub(crate) exec_ns: Option<u64>,
    /// Of a known process.
    pub(crate) exec: Option<ExecPart>,
    /// Of an event.
    pub(crate) what: Option<Parts>,
    pub(crate) credentials: Option<CredentialsPart>,
    pub(crate) namespaces: Option<NamespacesPart>,
    pub(crate) cgroup: Option<CgroupPart>,
}

impl TaskLine {
    pub(crate) fn new(kind: LineKind, pid: u32) -> Self {
        Self {
            kind,
            time: None,
            pid,
            start_ns: None,
            tid: None,
            ppid: None,
            comm: None,
            parent: None,
            exec_ns: None,
            exec: None,
            what: None,
            credentials: None,
            namespaces: None,
            cgroup: None,
        }
    }
}

impl Serialize for TaskLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", &self.kind)?;
        entry(&mut map, "time", &self.time)?;
        map.serialize_entry("pid", &self.pid)?;
        entry(&mut map, "start_ns", &self.start_ns)?;
        entry(&mut map, "tid", &self.tid)?;
        entry(&mut map, "ppid", &self.ppid)?;
        entry(&mut map, "comm", &self.comm)?;
        entry(&mut map, "parent", &self.parent)?;
        entry(&mut map, "exec_ns", &self.exec_ns)?;
        entry(&mut map, "exec", &self.exec)?;
        if let Some(what) = &self.what {
            map.serialize_entry(what.key(), what)?;
        }
        entry(&mut map, "credentials", &self.credentials)?;
        entry(&mut map, "namespaces", &self.namespaces)?;
        entry(&mut map, "cgroup", &self.cgroup)?;
        map.end()
    }
}

fn entry<M: SerializeMap, T: Serialize>(
    map: &mut M,
    key: &'static str,
    value: &Option<T>,
) -> Result<(), M::Error> {
    value.as_ref().map_or(Ok(()), |value| map.serialize_entry(key, value))
}

/// Reads a line of this kind.
pub(crate) struct TaskLineSeed(pub(crate) LineKind);

impl<'de> DeserializeSeed<'de> for TaskLineSeed {
    type Value = TaskLine;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<TaskLine, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TaskLineSeed {
    type Value = TaskLine;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the keys of a line")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TaskLine, A::Error> {
        let kind = self.0;
        let mut line = TaskLine::new(kind, 0);
        let mut pid = None;
        let is_process = kind == LineKind::Process;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "kind" => drop(map.next_value::<LineKind>()?),
                "pid" => put(&mut pid, &key, Some(map.next_value()?))?,
                "start_ns" => put(&mut line.start_ns, &key, map.next_value()?)?,
                "tid" => put(&mut line.tid, &key, map.next_value()?)?,
                "ppid" => put(&mut line.ppid, &key, map.next_value()?)?,
                "comm" => put(&mut line.comm, &key, map.next_value()?)?,
                "credentials" => put(&mut line.credentials, &key, map.next_value()?)?,
                "namespaces" => put(&mut line.namespaces, &key, map.next_value()?)?,
                "cgroup" => put(&mut line.cgroup, &key, map.next_value()?)?,
                "time" if !is_process => put(&mut line.time, &key, map.next_value()?)?,
                "parent" if is_process => put(&mut line.parent, &key, Some(map.next_value()?))?,
                "exec_ns" if is_process => put(&mut line.exec_ns, &key, map.next_value()?)?,
                "exec" if is_process => put(&mut line.exec, &key, map.next_value()?)?,
                other => {
                    let seed = PartsSeed::new(kind, other).map_err(de::Error::custom)?;
                    put(&mut line.what, &key, Some(map.next_value_seed(seed)?))?;
                }
            }
        }
        line.pid = pid.ok_or_else(|| de::Error::missing_field("pid"))?;
        Ok(line)
    }
}

fn put<T, E: de::Error>(slot: &mut Option<T>, key: &str, value: Option<T>) -> Result<(), E> {
    if slot.is_some() {
        return Err(E::custom(format_args!("duplicate field `{key}`")));
    }
    *slot = value;
    Ok(())
}
