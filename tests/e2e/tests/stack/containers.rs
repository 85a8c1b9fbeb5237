//! Real containers.

use std::os::unix::fs::PermissionsExt;

use anyhow::ensure;
use e2e::container::{ApiService, Image, remove};
use e2e::containerd::Containerd;
use e2e::{Stack, StackOptions};
use workloads::cgroup::OwnCgroup;

pub(crate) fn labels_from_podman() -> anyhow::Result<()> {
    crate::run(async {
        let name = format!("shrike-e2e-{}", std::process::id());
        let image = Image::import(&name, "1.0")?;
        let parent = OwnCgroup::new(&name)?;
        let api = tempfile::tempdir()?;
        std::fs::set_permissions(api.path(), std::fs::Permissions::from_mode(0o755))?;
        let socket = api.path().join("podman.sock");
        let _api = ApiService::start(&socket).await?;
        // As the group of the runtime's socket does in production: the analyzer may ask.
        std::os::unix::fs::chown(&socket, Some(e2e::stack::ANALYZER_UID), None)?;
        let options = StackOptions {
            // Other containers of the machine are none of our business.
            scope: format!("cgroup={}", parent.path()),
            analyzer_toml: format!(
                "[tags]\ndocker_sockets = [{:?}]\nwait = \"20s\"\ntimeout = \"10s\"",
                socket
            ),
            ..StackOptions::default()
        };
        let mut stack = Stack::start(&options).await?;
        let id = image.run(&name, parent.path(), "cat /etc/motd; /bin/true; cat /missing || exit 0")?;
        let ours = |entry: &mock_intake::Received| {
            entry.json().pointer("/container/id").is_some_and(|known| *known == id.as_str())
        };
        let received = stack
            .intake
            .wait_for(e2e::stack::DEADLINE, |received| {
                let exits = received
                    .iter()
                    .filter(|entry| ours(entry) && crate::accounting::name(&entry.json()) == "exit");
                // runc's own init, the shell, three programs.
                exits.count() >= 4
            })
            .await;
        let (accounting, all) = stack.settled(1).await?;
        remove(&id)?;
        let received = received?;
        let opened = received
            .iter()
            .filter(|entry| ours(entry))
            .any(|entry| entry.json().pointer("/file/path").is_some_and(|path| path == "/etc/motd"));
        ensure!(opened, "no open of /etc/motd among {} events", received.len());
        for entry in all.iter().filter(|entry| ours(entry)) {
            let tags = &entry.tags;
            for wanted in [
                format!("container_id:{id}"),
                format!("image_name:localhost/{name}"),
                "image_tag:1.0".to_owned(),
                format!("short_image:{name}"),
                format!("container_name:{name}"),
            ] {
                ensure!(tags.contains(&wanted), "{wanted} is missing in {tags:?}");
            }
        }
        let in_upper: Vec<_> = all
            .iter()
            .filter(|entry| ours(entry))
            .filter_map(|entry| entry.json().pointer("/file/in_upper_layer").cloned())
            .collect();
        ensure!(in_upper.contains(&false.into()), "files of the image are known to be in a lower layer");
        ensure!(accounting.lost().total() == 0, "{accounting:?}");
        Ok(())
    })
}

pub(crate) fn labels_from_containerd() -> anyhow::Result<()> {
    crate::run(async {
        let name = format!("shrike-e2e-ctd-{}", std::process::id());
        let image = Image::import(&name, "2.1")?;
        let parent = OwnCgroup::new(&name)?;
        let daemon = Containerd::start().await?;
        daemon.import(&image)?;
        // As the group of the runtime's socket does in production: the analyzer may ask.
        std::fs::set_permissions(daemon.dir(), std::fs::Permissions::from_mode(0o755))?;
        std::os::unix::fs::chown(daemon.socket(), Some(e2e::stack::ANALYZER_UID), None)?;
        let options = StackOptions {
            scope: format!("cgroup={}", parent.path()),
            analyzer_toml: format!(
                "[tags]\ndocker_sockets = []\nruntime_sockets = [{:?}]\nwait = \"20s\"\ntimeout = \"10s\"",
                daemon.socket()
            ),
            ..StackOptions::default()
        };
        let mut stack = Stack::start(&options).await?;
        let id = format!("{:064x}", u64::from(std::process::id()) << 8);
        let labels = ["io.kubernetes.pod.name=shop-1", "io.kubernetes.pod.namespace=shop"];
        daemon.run(&image, &id, &labels, parent.path(), "cat /etc/motd; /bin/true")?;
        let (accounting, all) = stack.settled(1).await?;
        let ours = |entry: &mock_intake::Received| {
            entry.json().pointer("/container/id").is_some_and(|known| *known == id.as_str())
        };
        let ours: Vec<_> = all.iter().filter(|entry| ours(entry)).collect();
        let opened = ours
            .iter()
            .any(|entry| entry.json().pointer("/file/path").is_some_and(|path| path == "/etc/motd"));
        ensure!(opened, "no open of /etc/motd among {} events of {}", ours.len(), all.len());
        for entry in ours {
            let tags = &entry.tags;
            for wanted in [
                format!("container_id:{id}"),
                format!("image_name:localhost/{name}"),
                "image_tag:2.1".to_owned(),
                format!("short_image:{name}"),
                "pod_name:shop-1".to_owned(),
                "kube_namespace:shop".to_owned(),
            ] {
                ensure!(tags.contains(&wanted), "{wanted} is missing in {tags:?}");
            }
        }
        ensure!(accounting.lost().total() == 0, "{accounting:?}");
        stack.stop().await?;
        daemon.stop()
    })
}
