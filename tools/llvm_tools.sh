#!/bin/sh
# Sees to it that llvm-profdata of the compiler's own version is there, which profile-guided builds need.
set -u

sysroot=$(rustc --print sysroot) || exit 1
host=$(rustc -vV | sed -n 's/^host: //p')
[ -x "$sysroot/lib/rustlib/$host/bin/llvm-profdata" ] && exit 0
if command -v rustup >/dev/null 2>&1 && rustup component add llvm-tools; then
    exit 0
fi
command -v llvm-profdata >/dev/null 2>&1 && exit 0
printf 'missing: llvm-profdata, which a profile-guided build needs\n  %s\n' \
    "With rustup: rustup component add llvm-tools. Debian, Ubuntu: apt install llvm (of rustc's LLVM version)." >&2
exit 1
