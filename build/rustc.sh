#!/bin/bash
# Called by cargo in the place of rustc (.cargo/config.toml): links the programs that ship, and those by which tests
# count, without any shared library. So one file runs on every distribution and in an empty image, and opens nothing that
# its own code does not open.
#
# In bash, which passes on variables whose names no shell has, as CARGO_BIN_EXE_shrike-probe; other shells drop them.
#
# The flag is for these programs alone, as procedural macros cannot be linked so, and it changes how they are linked and
# nothing else: they share every compiled crate with all other builds.

case " $* " in
    *" --crate-name shrike "*" --crate-type bin "* | \
    *" --crate-name shrike_probe "*" --crate-type bin "* | \
    *" --crate-name shrike_analyzer "*" --crate-type bin "* | \
    *" --crate-name shrike_reporter "*" --crate-type bin "* | \
    *" --crate-name count_events "*" --crate-type bin "* | \
    *" --crate-name flip_path "*" --crate-type bin "* | \
    *" --crate-name storm "*" --crate-type bin "*)
        exec "$@" -C target-feature=+crt-static ;;
esac
exec "$@"
