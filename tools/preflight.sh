#!/bin/sh
# Says in plain words what this machine lacks before a build can start. Usage: preflight.sh PYTHON
# Checks for what the makefile cannot set up by itself: Python, its venv module, Rust, and a C compiler to link with.
set -u

python=${1:-python3}
root=$(dirname "$0")/..
wanted_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
failed=0

missing() {
    printf 'missing: %s\n  %s\n' "$1" "$2" >&2
    failed=1
}

# True when version $1 is at least version $2, both written with dots.
at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)" = "$2" ]
}

if ! found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); then
    missing "Python 3.11 or later ($python does not run)" \
        "Install it (Debian, Ubuntu: apt install python3 python3-venv), or name another: make PYTHON=python3.12 ..."
elif ! at_least "$found" 3.11; then
    missing "Python 3.11 or later ($python is $found)" \
        "Install a later one, and name it if it is not the first on PATH: make PYTHON=python3.12 ..."
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    missing "Python's venv module" "Debian, Ubuntu: apt install python3-venv"
fi

if ! found=$(cargo --version 2>/dev/null); then
    missing "Rust $wanted_rust or later (cargo does not run)" \
        "Install it with rustup, or from your system's packages if they are recent enough."
else
    found=$(printf '%s' "$found" | sed 's/^cargo \([0-9.]*\).*/\1/')
    if ! at_least "$found" "$wanted_rust"; then
        missing "Rust $wanted_rust or later (cargo is $found)" "With rustup: rustup update stable"
    fi
fi

if ! command -v cc >/dev/null 2>&1; then
    missing "a C compiler (cc)" "Debian, Ubuntu: apt install gcc libc6-dev. macOS: xcode-select --install"
fi

exit $failed
