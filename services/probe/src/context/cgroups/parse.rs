//! Tells from the path of a control group what runs in it.
//!
//! Pure: a path in, a [`Workload`] out. The outermost container wins: what is below it is named by whoever is root inside, who
//! could name a control group like the container of somebody else. So docker in docker, the pods of a node that is itself a
//! container (kind) and systemd in a container are all of the container that the host made.
//! A monitor of a runtime (conmon) lives beside its container and is not part of it.

use std::sync::Arc;

use event::{Runtime, Workload};

/// Digits of the ids that docker, containerd, CRI-O and podman give to containers.
const ID_DIGITS: usize = 64;

/// The workload that a control group path names.
///
/// The path is that inside the hierarchy, as the kernel gives it (`/docker/<id>`).
#[must_use]
pub fn workload(path: &str) -> Workload {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    container(&segments).or_else(|| service(&segments)).unwrap_or_default()
}

fn container(segments: &[&str]) -> Option<Workload> {
    segments.iter().enumerate().find_map(|(position, segment)| {
        let outer = segments.get(..position).unwrap_or_default();
        let (id, runtime) = container_segment(segment, outer)?;
        let pod_uid = pod_uid_of(segment, outer).map(Arc::from);
        Some(Workload::Container { id: Arc::from(id), runtime, pod_uid })
    })
}

/// The container id and runtime when this one segment is a container's own control group.
fn container_segment<'a>(segment: &'a str, outer: &[&str]) -> Option<(&'a str, Runtime)> {
    // The systemd form `slice:prefix:id`, taken literally by a runtime that was told to use cgroupfs.
    if let Some((slice_and_prefix, id)) = segment.rsplit_once(':')
        && let Some((_, prefix)) = slice_and_prefix.rsplit_once(':')
    {
        return is_id(id).then(|| (id, runtime_of_prefix(prefix)));
    }
    let name = segment.strip_suffix(".scope").unwrap_or(segment);
    if is_id(name) {
        return bare_id_runtime(outer).map(|runtime| (name, runtime));
    }
    // A slice groups containers (podman's pods carry the pod's id in it); it is never one.
    if segment.ends_with(".slice") {
        return None;
    }
    if let Some((prefix, id)) = name.rsplit_once('-')
        && is_id(id)
    {
        return (!is_monitor(prefix)).then(|| (id, runtime_of_prefix(prefix)));
    }
    if is_fargate_id(name) && outer.contains(&"ecs") {
        return Some((name, Runtime::Containerd));
    }
    if is_garden_id(name) && outer.contains(&"garden") {
        return Some((name, Runtime::Unknown));
    }
    None
}

/// A bare id says nothing of its runtime; the directory above often does.
fn bare_id_runtime(outer: &[&str]) -> Option<Runtime> {
    match outer.last().copied() {
        // Podman's pods with the cgroupfs driver; their containers are `libpod-<id>` below.
        Some("libpod_parent") => None,
        Some("docker" | "moby") => Some(Runtime::Docker),
        // Namespaces of containerd with the cgroupfs driver.
        Some("default" | "k8s.io") => Some(Runtime::Containerd),
        _ if outer.contains(&"ecs") => Some(Runtime::Docker),
        _ => Some(Runtime::Unknown),
    }
}

fn runtime_of_prefix(prefix: &str) -> Runtime {
    match prefix {
        "docker" => Runtime::Docker,
        "libpod" | "libpod-payload" => Runtime::Podman,
        "crio" => Runtime::CriO,
        "cri-containerd" | "containerd" | "nerdctl" => Runtime::Containerd,
        _ => Runtime::Unknown,
    }
}

fn is_monitor(prefix: &str) -> bool {
    prefix.split('-').any(|word| word == "conmon")
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && is_lower_hex(text)
}

/// Tasks on AWS Fargate: 32 hexadecimal digits, a dash, decimal digits.
fn is_fargate_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(task, number)| {
        task.len() == 32
            && is_lower_hex(task)
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Cloud Foundry's garden: groups of 8, 4, 4, 4 and 4 hexadecimal digits.
fn is_garden_id(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 4]) && text.split('-').all(is_lower_hex)
}

/// The UID of the pod whose directory holds the container, nearest first. A pod further out than another container
/// is the pod of that outer container, not of this one.
fn pod_uid_of(segment: &str, outer: &[&str]) -> Option<String> {
    if let Some((slice, _)) = segment.split_once(':')
        && let Some(uid) = pod_uid(slice)
    {
        return Some(uid);
    }
    for (position, name) in outer.iter().enumerate().rev() {
        if let Some(uid) = pod_uid(name) {
            return Some(uid);
        }
        if container_segment(name, outer.get(..position).unwrap_or_default()).is_some() {
            return None;
        }
    }
    None
}

/// `pod<uid>` of the cgroupfs driver, `…-pod<uid with underscores>.slice` of the systemd driver.
fn pod_uid(segment: &str) -> Option<String> {
    let uid = match segment.strip_suffix(".slice") {
        Some(slice) if slice.contains("kubepods") => slice.rsplit_once("-pod")?.1,
        Some(_) => return None,
        None => segment.strip_prefix("pod")?,
    };
    let uid = uid.replace('_', "-");
    let is_uuid = uid.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && uid.split('-').all(is_lower_hex);
    // Static pods of the kubelet have the hash of their manifest as UID.
    let is_hash = uid.len() == 32 && is_lower_hex(&uid);
    (is_uuid || is_hash).then_some(uid)
}

/// The innermost service. A scope further in was started by something else than the service manager (a login
/// session, a desktop application), so what it holds is not the service.
fn service(segments: &[&str]) -> Option<Workload> {
    for segment in segments.iter().rev() {
        if segment.ends_with(".service") && segment.len() > ".service".len() {
            return Some(Workload::Service { unit: Arc::from(*segment) });
        }
        if segment.ends_with(".scope") && *segment != "init.scope" {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests;
