use super::*;

const A: &str = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970";
const B: &str = "9ec39b91f3d70e1beff50a308f77067065ea6be0d91a3378375056cd4422cf3d";
const C: &str = "244a65edefdffe31685c42317c9054e71dc1193048cf9459e2a4dd35cbc1dba4";
const POD: &str = "0e886e9a-3879-45f9-b44d-86ef9df03224";
const POD_: &str = "0e886e9a_3879_45f9_b44d_86ef9df03224";
const STATIC_POD: &str = "cc81604c0b1a1e3be9a04a8c0b6cbbb5";

/// What a row of the tables expects, as one short text.
fn describe(workload: &Workload) -> String {
    match workload {
        Workload::Host => "host".to_owned(),
        Workload::Service { unit } => format!("service {unit}"),
        Workload::Container { id, runtime, pod_uid } => {
            let pod = pod_uid.as_deref().map(|uid| format!(" pod {uid}")).unwrap_or_default();
            format!("{} {id}{pod}", runtime.name())
        }
    }
}

fn check(rows: &[(&str, &str)]) {
    let fill = |text: &str| {
        text.replace("{A}", A)
            .replace("{B}", B)
            .replace("{C}", C)
            .replace("{POD}", POD)
            .replace("{POD_}", POD_)
            .replace("{STATIC}", STATIC_POD)
    };
    for (path, expect) in rows {
        assert_eq!(describe(&workload(&fill(path))), fill(expect), "{}", fill(path));
    }
}

#[test]
fn docker_is_known_with_every_driver_and_parent() {
    check(&[
        ("/docker/{A}", "docker {A}"),
        ("/docker/{A}/init", "docker {A}"),
        ("/system.slice/docker-{A}.scope", "docker {A}"),
        ("/system.slice/docker-{A}.scope (deleted)", "docker {A}"),
        ("/custom.slice/custom-app.slice/docker-{A}.scope", "docker {A}"),
        ("/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{A}.scope", "docker {A}"),
        ("/shrike-demo/docker-{A}.scope", "docker {A}"),
        ("/moby/{A}", "docker {A}"),
        ("/lxc/web/docker/{A}", "docker {A}"),
        ("/{A}", "unknown {A}"),
        ("/actions_job/{A}", "unknown {A}"),
    ]);
}

#[test]
fn podman_is_known_and_its_monitor_and_pods_are_not_containers() {
    check(&[
        ("/libpod_parent/libpod-{A}", "podman {A}"),
        ("/libpod_parent/libpod-{A}/container", "podman {A}"),
        ("/libpod_parent/{B}/libpod-{A}", "podman {A}"),
        ("/libpod_parent/{B}", "host"),
        ("/libpod_parent/conmon", "host"),
        ("/machine.slice/libpod-{A}.scope", "podman {A}"),
        ("/machine.slice/libpod-{A}.scope/container", "podman {A}"),
        ("/machine.slice/libpod-conmon-{A}.scope", "host"),
        ("/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope", "podman {A}"),
        ("/machine.slice/machine-libpod_pod_{B}.slice", "host"),
        ("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope", "podman {A}"),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_{B}.slice/libpod-{A}.scope/container",
            "podman {A}",
        ),
        ("/system.slice/web.service/libpod-payload-{A}", "podman {A}"),
        ("/system.slice/web.service/runtime", "service web.service"),
    ]);
}

#[test]
fn containerd_and_cri_o_are_known_without_kubernetes() {
    check(&[
        ("/default/{A}", "containerd {A}"),
        ("/k8s.io/{A}", "containerd {A}"),
        ("/system.slice/nerdctl-{A}.scope", "containerd {A}"),
        ("/system.slice/cri-containerd-{A}.scope", "containerd {A}"),
        ("/machine.slice/crio-{A}.scope", "cri-o {A}"),
        ("/system.slice/runc-{A}.scope", "unknown {A}"),
    ]);
}

#[test]
fn kubernetes_is_known_with_the_cgroupfs_driver() {
    check(&[
        ("/kubepods/burstable/pod{POD}/{A}", "unknown {A} pod {POD}"),
        ("/kubepods/besteffort/pod{POD}/{A}", "unknown {A} pod {POD}"),
        ("/kubepods/pod{POD}/{A}", "unknown {A} pod {POD}"),
        ("/kubepods/kubepods/besteffort/pod{POD}/{A}", "unknown {A} pod {POD}"),
        ("/kubepods/burstable/pod{STATIC}/{A}", "unknown {A} pod {STATIC}"),
        ("/kubepods/burstable/pod{POD}/crio-{A}", "cri-o {A} pod {POD}"),
        ("/kubepods/burstable/pod{POD}/crio-conmon-{A}", "host"),
        ("/kubepods/burstable/pod{POD}", "host"),
        ("/kubepods/burstable", "host"),
    ]);
}

#[test]
fn kubernetes_is_known_with_the_systemd_driver() {
    check(&[
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD_}.slice/cri-containerd-{A}.scope",
            "containerd {A} pod {POD}",
        ),
        ("/kubepods.slice/kubepods-pod{POD_}.slice/cri-containerd-{A}.scope", "containerd {A} pod {POD}"),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{POD_}.slice/crio-{A}.scope",
            "cri-o {A} pod {POD}",
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{POD_}.slice/crio-{A}.scope/container",
            "cri-o {A} pod {POD}",
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{POD_}.slice/crio-conmon-{A}.scope",
            "host",
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD_}.slice/docker-{A}.scope",
            "docker {A} pod {POD}",
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{STATIC}.slice/docker-{A}.scope",
            "docker {A} pod {STATIC}",
        ),
        (
            "/system.slice/containerd.service/kubepods-burstable-pod{POD_}.slice:cri-containerd:{A}",
            "containerd {A} pod {POD}",
        ),
        ("/kubepods-besteffort-pod{POD_}.slice:cri-containerd:{A}", "containerd {A} pod {POD}"),
        ("/system.slice:docker:{A}", "docker {A}"),
        ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{POD_}.slice", "host"),
    ]);
}

#[test]
fn a_cgroup_that_is_named_inside_a_container_like_another_one_is_of_the_container_that_the_host_made() {
    check(&[
        ("/docker/{A}/docker/{B}", "docker {A}"),
        ("/docker/{A}/{B}", "docker {A}"),
        ("/docker/{A}/kubelet/kubepods/burstable/pod{POD}/{B}", "docker {A}"),
        (
            "/system.slice/docker-{A}.scope/kubelet.slice/kubelet-kubepods.slice/cri-containerd-{B}.scope",
            "docker {A}",
        ),
        ("/kubepods/burstable/pod{POD}/{A}/docker/{B}", "unknown {A} pod {POD}"),
        ("/docker/{A}/libpod_parent/libpod-{B}", "docker {A}"),
        ("/docker/{A}/libpod_parent/conmon", "docker {A}"),
        ("/docker/{A}/system.slice/nginx.service", "docker {A}"),
        ("/machine.slice/libpod-{A}.scope/container/init.scope", "podman {A}"),
        ("/machine.slice/libpod-{A}.scope/container/libpod-{B}.scope", "podman {A}"),
        // A monitor is no container, and what it stands beside is not inside it.
        ("/libpod_parent/libpod-conmon-{A}/libpod-{B}", "podman {B}"),
    ]);
}

#[test]
fn amazon_ecs_and_garden_are_known() {
    check(&[
        ("/ecs/55091c13-b8cf-4801-b527-f4601742204d/{A}", "docker {A}"),
        ("/ecs/cluster/34dc0b5e626f2c5c4c5170e34b10e765/{A}", "docker {A}"),
        ("/ecstasks.slice/ecstasks-34dc0b5e626f2c5c4c5170e34b10e765.slice/docker-{A}.scope", "docker {A}"),
        (
            "/ecs/34dc0b5e626f2c5c4c5170e34b10e765/34dc0b5e626f2c5c4c5170e34b10e765-1234567890",
            "containerd 34dc0b5e626f2c5c4c5170e34b10e765-1234567890",
        ),
        (
            "/system.slice/garden.service/garden/6f265890-5165-7fab-6b52-18d1",
            "unknown 6f265890-5165-7fab-6b52-18d1",
        ),
    ]);
}

#[test]
fn services_are_known_and_sessions_are_not_services() {
    check(&[
        ("/system.slice/nginx.service", "service nginx.service"),
        ("/system.slice/nginx.service/worker", "service nginx.service"),
        ("/system.slice/docker.service", "service docker.service"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "service getty@tty1.service"),
        (r"/system.slice/system-foo\x2dbar.slice/foo\x2dbar@7.service", r"service foo\x2dbar@7.service"),
        ("/user.slice/user-1000.slice/user@1000.service/init.scope", "service user@1000.service"),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/pipewire.service",
            "service pipewire.service",
        ),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-77.scope", "host"),
        ("/user.slice/user-1000.slice/session-3.scope", "host"),
        ("/init.scope", "host"),
        ("/system.slice/dev-hugepages.mount", "host"),
        ("/system.slice", "host"),
        ("/", "host"),
        ("", "host"),
        ("/system.slice/.service", "host"),
    ]);
}

#[test]
fn what_only_looks_like_an_id_is_not_a_container() {
    let short = A.get(1..).unwrap();
    let upper = A.to_uppercase();
    for path in [
        format!("/docker/{short}"),
        format!("/docker/{A}0"),
        format!("/docker/{upper}"),
        format!("/system.slice/docker-{short}.scope"),
        format!("/x/{A}.slice"),
        "/docker/buildkit/9obmlzgpyw8rg0o9f9fi5xbj3".to_owned(),
    ] {
        assert_eq!(workload(&path), Workload::Host, "{path}");
    }
}
