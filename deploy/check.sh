#!/bin/bash
# Checks the files of this folder with the tools that will read them, kubernetes-validate, systemd-analyze and promtool, and
# whether what they give each service is what it needs.
#
# Prints one `ok`, `FAILED` or `skipped` line for each file; the exit code is 1 when one failed. The example
# configurations are loaded by the tests of the services themselves.

set -uo pipefail
cd "$(dirname "$0")" || exit

readonly VALIDATOR=kubernetes-validate==1.37.0
venv=$(cd .. && pwd)/.cache/venv
passed=0 failed=0 skipped=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ok() { echo "deploy: $1 ... ok"; passed=$((passed + 1)); }
skip() { echo "deploy: $1 ... skipped: $2"; skipped=$((skipped + 1)); }
fail() {
    echo "deploy: $1 ... FAILED"
    sed 's/^/    | /' "$work/log"
    failed=$((failed + 1))
}

# Installs the validator once; prints why when it cannot.
kubernetes_validate() {
    [ -x "$venv/bin/kubernetes-validate" ] && return
    command -v python3 >/dev/null || { echo "python3 is not installed"; return 1; }
    rm -rf "$venv"
    python3 -m venv "$venv" >"$work/log" 2>&1 || { echo "python3 -m venv failed: $(tail -1 "$work/log")"; return 1; }
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$VALIDATOR" >"$work/log" 2>&1 ||
        { echo "pip install $VALIDATOR failed: $(tail -1 "$work/log")"; return 1; }
}

check_kubernetes() {
    local reason file
    # kustomization.yaml is read by kubectl and never reaches a cluster.
    local files=()
    for file in kubernetes/*.yaml; do
        [ "$file" = kubernetes/kustomization.yaml ] || files+=("$file")
    done
    if ! reason=$(kubernetes_validate); then
        for file in "${files[@]}" needs.toml; do skip "$file" "$reason"; done
        return
    fi
    for file in "${files[@]}"; do
        if "$venv/bin/kubernetes-validate" --strict --quiet "$file" >"$work/log" 2>&1; then ok "$file"; else fail "$file"; fi
    done
    # What kustomization.yaml names must be there.
    : >"$work/log"
    while read -r file; do
        [ -f "kubernetes/$file" ] || echo "kustomization.yaml names $file, which does not exist" >>"$work/log"
    done < <(sed -n 's/^ *- \(.*\.\(yaml\|toml\)\)$/\1/p' kubernetes/kustomization.yaml)
    if [ -s "$work/log" ]; then fail kubernetes/kustomization.yaml; else ok kubernetes/kustomization.yaml; fi
    # The validator brings a reader of YAML with it.
    if "$venv/bin/python" contexts.py >"$work/log" 2>&1; then ok "pod, images and units give what needs.toml says"; else fail needs.toml; fi
    # What podman gets of the same manifest.
    if podman/pod.sh >"$work/pod.yaml" 2>"$work/log" &&
        "$venv/bin/kubernetes-validate" --strict --quiet "$work/pod.yaml" >"$work/log" 2>&1; then ok podman/pod.sh; else fail podman/pod.sh; fi
}

check_systemd() {
    local unit version root=$work/root
    if ! command -v systemd-analyze >/dev/null; then
        for unit in systemd/*.service systemd/*.target; do skip "$unit" "systemd-analyze is not installed"; done
        return
    fi
    version=$(systemd-analyze --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
    if [ "$version" -lt 250 ]; then
        for unit in systemd/*.service systemd/*.target; do skip "$unit" "systemd $version cannot verify below a root, 250 can"; done
        return
    fi
    # A machine where Shrike is installed: the system's own units, ours, and programs where ours look for them.
    mkdir -p "$root/etc/systemd/system" "$root/usr/local/bin" "$root/usr/lib/systemd"
    cp -r /usr/lib/systemd/system "$root/usr/lib/systemd/"
    cp systemd/*.service systemd/*.target "$root/etc/systemd/system/"
    for unit in shrike-probe shrike-analyzer shrike-reporter; do
        printf '#!/bin/sh\n' >"$root/usr/local/bin/$unit"
        chmod +x "$root/usr/local/bin/$unit"
    done
    for unit in systemd/*.service systemd/*.target; do
        systemd-analyze verify --man=no --root="$root" "$(basename "$unit")" >"$work/all" 2>&1
        local code=$?
        # An unknown setting is only a warning to systemd. What it says of the system's own units is not ours.
        grep -i shrike "$work/all" >"$work/log"
        if [ "$code" != 0 ]; then cp "$work/all" "$work/log"; fi
        if [ -s "$work/log" ] || [ "$code" != 0 ]; then fail "$unit"; else ok "$unit"; fi
    done
    # 0 is a service that can do nothing, 10 one that can do everything; systemd calls up to 2 safe or ok.
    for unit in systemd/*.service; do
        if systemd-analyze security --no-pager --offline=true --threshold=15 "$unit" >"$work/log" 2>&1; then
            ok "$unit: $(tail -1 "$work/log" | sed 's/.*\(exposure level\).*: \([0-9.]*\) .*/\1 \2/')"
        else
            fail "$unit: exposure level"
        fi
    done
}

check_prometheus() {
    # What Grafana needs to show a panel at all. `cargo xtask tidy` knows the metrics.
    if python3 - prometheus/dashboard.json >"$work/log" 2>&1 <<'PROGRAM'
import json, sys
dashboard = json.load(open(sys.argv[1]))
panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
ids = [panel["id"] for panel in dashboard["panels"]]
assert len(ids) == len(set(ids)), "two panels have one id"
for panel in panels:
    place = panel["gridPos"]
    assert place["x"] + place["w"] <= 24, f"{panel['title']} is outside of the grid"
    assert panel["targets"] and all("shrike_" in target["expr"] for target in panel["targets"]), panel["title"]
PROGRAM
    then ok prometheus/dashboard.json; else fail prometheus/dashboard.json; fi
    if ! command -v promtool >/dev/null; then
        skip prometheus/alerts.yaml "promtool is not installed"
        return
    fi
    if promtool check rules --lint-fatal prometheus/alerts.yaml >"$work/log" 2>&1; then ok prometheus/alerts.yaml; else fail prometheus/alerts.yaml; fi
    if promtool test rules prometheus/tests.yaml >"$work/log" 2>&1; then ok prometheus/tests.yaml; else fail prometheus/tests.yaml; fi
}

check_kubernetes
check_systemd
check_prometheus
echo "deployment files: $passed passed, $failed failed, $skipped skipped"
exit $((failed > 0))
