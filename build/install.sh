#!/bin/bash
# Installs the programs of target/release and shell completions below $DESTDIR$PREFIX. Units, users and configuration are
# the business of deploy/: what is installed here is used by hand, with `sudo shrike run`.

set -euo pipefail
cd "$(dirname "$0")/.."
prefix=${DESTDIR:-}${PREFIX:-/usr/local}
from=${FROM:-target/release}

install -d "$prefix/bin"
for program in shrike shrike-probe shrike-analyzer shrike-reporter mock-intake; do
    install -m 0755 "$from/$program" "$prefix/bin/$program"
done
complete() {
    install -d "$(dirname "$prefix/share/$2")"
    "$from/shrike" completions "$1" > "$prefix/share/$2"
    chmod 0644 "$prefix/share/$2"
}
complete bash bash-completion/completions/shrike
complete zsh zsh/site-functions/_shrike
complete fish fish/vendor_completions.d/shrike.fish
echo "installed into $prefix: try \`shrike doctor\`"
