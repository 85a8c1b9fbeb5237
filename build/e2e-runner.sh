#!/bin/bash
# How `cargo test` starts a test program when it is not root and sudo asks nothing: the end-to-end tests and those of
# the probe as root, because they load eBPF programs, and all others as the user.

program=$1
case "$(basename "$program")" in
    stack-* | probe-* | live-*) exec sudo -n --preserve-env "$@" ;;
    *) exec "$@" ;;
esac
