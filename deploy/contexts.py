"""Compares the pod, the images and the systemd units with needs.toml. Prints what differs; exit code 1 when something does."""

import pathlib
import re
import sys
import tomllib

import yaml

here = pathlib.Path(__file__).parent
needs = tomllib.loads((here / "needs.toml").read_text())
differences = []


def compare(what, found, wanted):
    if found != wanted:
        differences.append(f"{what}: {found!r}, and needs.toml says {wanted!r}")


pod = yaml.safe_load((here / "kubernetes/daemonset.yaml").read_text())["spec"]["template"]["spec"]
compare("hostPID", pod.get("hostPID", False), any(need.get("host_pid") for need in needs.values()))
compare("hostNetwork", pod.get("hostNetwork", False), False)
compare("hostIPC", pod.get("hostIPC", False), False)
compare("the containers", sorted(each["name"] for each in pod["containers"]), sorted(needs))
volumes = {volume["name"]: volume for volume in pod["volumes"]}
for container in pod["containers"]:
    name = container["name"]
    need = needs[name]
    context = container["securityContext"]
    compare(f"{name}: privileged", context.get("privileged", False), False)
    compare(f"{name}: allowPrivilegeEscalation", context.get("allowPrivilegeEscalation"), False)
    compare(f"{name}: readOnlyRootFilesystem", context.get("readOnlyRootFilesystem"), True)
    compare(f"{name}: runAsUser", context.get("runAsUser"), need["uid"])
    compare(f"{name}: runAsGroup", context.get("runAsGroup"), need["uid"])
    compare(f"{name}: capabilities that are dropped", context["capabilities"].get("drop"), ["ALL"])
    compare(f"{name}: capabilities", sorted(context["capabilities"].get("add", [])), need["capabilities"])
    profile = {"type": "Localhost", "localhostProfile": f"shrike/{name}.json"}
    compare(f"{name}: seccompProfile", context.get("seccompProfile"), profile)
    compare(f"{name}: has a profile", (here / f"seccomp/{name}.json").is_file(), True)
    writes = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    compare(f"{name}: writes", sorted(writes), need["writes"])
    for mount in container["volumeMounts"]:
        if "hostPath" in volumes[mount["name"]]:
            compare(f"{name}: mount of the node, read only", mount.get("readOnly", False), True)

image = (here / "images/Dockerfile").read_text()
for name, need in needs.items():
    stage = image.split(f"AS {name}\n")[1].split("\nFROM ")[0]
    uid = re.search(r"^USER (\d+):(\d+)$", stage, re.MULTILINE)
    compare(f"image of the {name}: user", uid and uid.groups(), (str(need["uid"]), str(need["uid"])))

for name, need in needs.items():
    unit = (here / f"systemd/shrike-{name}.service").read_text()
    wanted = {f"CAP_{each}" for each in need["capabilities"] if each not in need.get("not_with_systemd", [])}
    for setting in ("CapabilityBoundingSet", "AmbientCapabilities"):
        found = re.search(f"^{setting}=(.*)$", unit, re.MULTILINE)
        compare(f"unit of the {name}: {setting}", found and set(found[1].split()), wanted)

for difference in differences:
    print(difference)
sys.exit(bool(differences))
