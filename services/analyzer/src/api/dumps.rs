//! Activity dumps as the API tells of them. What cannot be done is told in the answer, as in the public service.

use std::time::Duration;

use dump::{Format, SOURCE, Target};
use wire::v1;

use crate::stages::dump::{Info, Origin, Request, Wanted, Which};

/// A request from its message.
///
/// # Errors
/// What cannot be done, for people.
pub(super) fn request(params: v1::ActivityDumpParams, directory: Option<&str>) -> Result<Request, String> {
    let wanted = wanted(params.container_id, params.cgroup_id)?;
    let timeout = match params.timeout.trim() {
        "" => None,
        text => Some(humantime::parse_duration(text).map_err(|error| format!("timeout {text:?}: {error}"))?),
    };
    if timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err("a dump of no time holds nothing: give a timeout like 30s".to_owned());
    }
    let asks_for_packing = params.storage.is_some();
    let (formats, is_packed) = storage(params.storage.unwrap_or_default(), directory)?;
    Ok(Request {
        wanted,
        timeout,
        differentiate_args: params.differentiate_args,
        formats,
        is_packed: asks_for_packing.then_some(is_packed),
    })
}

/// The formats of a request, and whether files are packed.
///
/// # Errors
/// What cannot be done, for people.
pub(super) fn storage(
    params: v1::StorageRequestParams,
    directory: Option<&str>,
) -> Result<(Vec<Format>, bool), String> {
    let wanted = params.local_storage_directory.trim_end_matches('/');
    if !wanted.is_empty() && directory != Some(wanted) {
        return Err(match directory {
            Some(directory) => {
                format!("the analyzer can write to {directory} only: take the dump from the stream instead")
            }
            None => "the analyzer keeps no dumps: see its log, and take the dump from the stream".to_owned(),
        });
    }
    if !params.remote_storage_formats.is_empty() {
        return Err("remote storage is not supported yet".to_owned());
    }
    let formats = params
        .local_storage_formats
        .iter()
        .map(|name| name.parse::<Format>().map_err(|error| error.to_string()));
    Ok((formats.collect::<Result<_, String>>()?, params.local_storage_compression))
}

/// Which dump is to be stopped.
///
/// # Errors
/// When none is named.
pub(super) fn which(params: v1::ActivityDumpStopParams) -> Result<Which, String> {
    if params.name.is_empty() {
        return wanted(params.container_id, params.cgroup_id).map(Which::Of);
    }
    Ok(Which::Name(params.name))
}

fn wanted(container: String, cgroup: String) -> Result<Wanted, String> {
    match (container.is_empty(), cgroup.is_empty()) {
        (false, true) => Ok(Wanted::Container(container)),
        (true, false) => Ok(Wanted::Cgroup(cgroup)),
        (true, true) => Err("name a container or a control group".to_owned()),
        (false, false) => Err("name either a container or a control group, not both".to_owned()),
    }
}

/// A message that only says what is wrong.
#[must_use]
pub(super) fn refused(error: String) -> v1::ActivityDumpMessage {
    v1::ActivityDumpMessage { error, ..v1::ActivityDumpMessage::default() }
}

/// What is told of a dump that runs, on this host.
#[must_use]
pub(super) fn message(info: &Info, host: &event::Host) -> v1::ActivityDumpMessage {
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let stats = &info.stats;
    let (mut container_id, mut cgroup_id) = match &info.wanted {
        Wanted::Container(text) => (text.clone(), String::new()),
        Wanted::Cgroup(path) => (String::new(), path.clone()),
    };
    if let Some(cgroup) = &info.cgroup {
        cgroup_id = cgroup.path.to_lossy().into_owned();
        container_id = info.target.as_ref().and_then(Target::container_id).unwrap_or_default().to_owned();
    }
    let service = info.tags.iter().find_map(|tag| tag.strip_prefix("service:"));
    let timeout = Duration::from_secs(info.timeout.as_secs());
    let storage = info.formats.iter().map(|format| v1::StorageRequestMessage {
        r#type: "local_storage".to_owned(),
        format: format.name().to_owned(),
        compression: info.is_packed,
        file: String::new(),
    });
    v1::ActivityDumpMessage {
        host: host.hostname.clone(),
        source: SOURCE.to_owned(),
        service: service.unwrap_or_default().to_owned(),
        tags: info.tags.clone(),
        storage: storage.collect(),
        metadata: Some(v1::MetadataMessage {
            agent_version: bootstrap::VERSION.to_owned(),
            kernel_version: host.kernel.clone(),
            arch: std::env::consts::ARCH.to_owned(),
            name: info.name.clone(),
            protobuf_version: "v1".to_owned(),
            differentiate_args: info.differentiate_args,
            container_id,
            cgroup_id,
            start: jiff::Timestamp::from_nanosecond(info.start_ns.into())
                .map(|time| time.to_string())
                .unwrap_or_default(),
            timeout: humantime::format_duration(timeout).to_string(),
            ..v1::MetadataMessage::default()
        }),
        error: String::new(),
        dns_names: Vec::new(),
        stats: Some(v1::ActivityTreeStatsMessage {
            process_nodes_count: count(stats.processes),
            file_nodes_count: count(stats.files),
            dns_nodes_count: count(stats.dns_names),
            socket_nodes_count: count(stats.binds),
            approximate_size: count(stats.bytes),
            imds_nodes_count: count(stats.imds_events),
            syscall_nodes_count: count(stats.syscalls),
            flow_nodes_count: count(stats.flows),
            capability_nodes_count: count(stats.capabilities),
        }),
        status: info.status as u32,
        is_seen: info.target.is_some(),
        origin: match info.origin {
            Origin::Request => "request",
            Origin::NewWorkload => "new_workload",
            Origin::SilentWorkload => "silent_workload",
        }
        .to_owned(),
        missed: info.missed.clone(),
        missed_events: info.missed_events,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(container: &str, timeout: &str) -> v1::ActivityDumpParams {
        v1::ActivityDumpParams {
            container_id: container.to_owned(),
            timeout: timeout.to_owned(),
            ..v1::ActivityDumpParams::default()
        }
    }

    #[test]
    fn a_request_that_cannot_be_met_is_told_why_before_anything_begins() {
        let check = |params: v1::ActivityDumpParams, word: &str| {
            let error = request(params, Some("/var/dumps")).unwrap_err();
            assert!(error.contains(word), "{error}");
        };
        check(params("", ""), "name a container");
        check(v1::ActivityDumpParams { cgroup_id: "/x".into(), ..params("a", "") }, "not both");
        check(params("a", "soon"), "timeout");
        check(params("a", "0s"), "no time");
        let storage = |change: fn(&mut v1::StorageRequestParams)| {
            let mut storage = v1::StorageRequestParams::default();
            change(&mut storage);
            v1::ActivityDumpParams { storage: Some(storage), ..params("a", "") }
        };
        check(storage(|storage| storage.local_storage_directory = "/etc".into()), "/var/dumps only");
        check(storage(|storage| storage.remote_storage_formats.push("json".into())), "remote");
        check(storage(|storage| storage.local_storage_formats.push("yaml".into())), "yaml");
        let met = storage(|storage| {
            storage.local_storage_directory = "/var/dumps/".into();
            storage.local_storage_formats = vec!["json".into(), ".dot".into()];
        });
        let met = request(met, Some("/var/dumps")).unwrap();
        assert_eq!((met.formats, met.is_packed), (vec![Format::Json, Format::Dot], Some(false)));
        let met = request(params("a", "1m 30s"), None).unwrap();
        assert_eq!((met.timeout, met.is_packed), (Some(Duration::from_secs(90)), None));
    }

    #[test]
    fn a_dump_is_stopped_by_name_or_by_workload() {
        let stop = |name: &str, container: &str| {
            which(v1::ActivityDumpStopParams {
                name: name.into(),
                container_id: container.into(),
                cgroup_id: String::new(),
            })
        };
        assert_eq!(stop("x", ""), Ok(Which::Name("x".into())));
        assert_eq!(stop("", "web"), Ok(Which::Of(Wanted::Container("web".into()))));
        assert!(stop("", "").is_err());
    }
}
