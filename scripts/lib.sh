# Sourced by the commands beside it: sets up what they need, once. A warm start costs a comparison of two files.
#
#   set_up run    what the hub needs to run (requirements.lock)
#   set_up dev    what the tests and checks need besides (requirements-dev.lock)
#   set_up test   the same, RabbitMQ, of which tests start private nodes, and Chromium, which opens the pages
#
# Where it is root on a Debian it installs missing system packages; otherwise it prints the one command that does.
# Where packages come from is the machine's business (its pip, uv and apt configuration); nothing here says it.

set -euo pipefail

ROOT="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
cd -- "$ROOT"
# uv's own variable: an image keeps its environment out of the folder over which the source is mounted.
VENV="${UV_PROJECT_ENVIRONMENT:-$ROOT/.venv}"
PYTHON="$VENV/bin/python"

# The project runs from its folder, and needs nobody's PYTHONPATH or active environment.
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV || true

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v -- "$1" >/dev/null 2>&1; }

set_up() {
    local kind=$1
    is_ready "$kind" && return
    # Two commands started at once set up one after the other. The lock is on this very file: nothing to leave behind.
    (
        if have flock; then flock 9; fi
        is_ready "$kind" && exit
        SYSTEM_PYTHON="$(find_python)"
        install_system_packages "$kind"
        sync_environment "$kind"
    ) 9<"$ROOT/scripts/lib.sh"
}

# The lock file that was installed last is kept beside what it installed. The development one holds all of the other.
is_ready() {
    [[ -x $PYTHON ]] || return 1
    case $1 in
        run) cmp -s requirements.lock "$VENV/.synced" || cmp -s requirements-dev.lock "$VENV/.synced" ;;
        dev) cmp -s requirements-dev.lock "$VENV/.synced" ;;
        test)
            cmp -s requirements-dev.lock "$VENV/.synced" && has_chromium &&
                { has_rabbitmq || [[ -n ${HUB_TEST_AMQP_URL:-} ]]; }
            ;;
    esac
}

# ------------------------------------------------------------------------------------------------ system packages

install_system_packages() {
    local kind=$1 missing=()
    have_uv_or_pip || missing+=(python3-venv)
    needs_libcurl && missing+=(libcurl4)
    [[ $kind == test && -z ${HUB_TEST_AMQP_URL:-} ]] && ! has_rabbitmq && missing+=(rabbitmq-server)
    [[ $kind == test ]] && ! has_chromium && missing+=(chromium)
    [[ $kind == test ]] && ! has_library libatomic.so.1 && missing+=(libatomic1)
    [[ $kind == test ]] && ! have curl && missing+=(curl)
    ((${#missing[@]})) || return 0
    local command="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    have apt-get || fail "missing on this machine: ${missing[*]} (the names of Debian's packages); install them and run this again"
    [[ $(id -u) == 0 ]] || fail "missing on this machine; run this and then this command again:
    sudo sh -c '$command'"
    say "installing ${missing[*]}"
    apt_install "${missing[@]}"
}

apt_install() {
    # Installing a server must not start it: what we need is the program, not a service. Debian's own switch for that:
    local switch=/usr/sbin/policy-rc.d ours=0
    if [[ ! -e $switch ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$switch" && chmod 755 "$switch" && ours=1
    fi
    # A hundred lines of unpacking and setting up are shown only where they help.
    local code=0 told
    told="$(apt-get update -qq 2>&1 </dev/null &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" 2>&1 </dev/null)" || code=$?
    if ((ours)); then rm -f "$switch"; fi
    ((code == 0)) || fail "apt-get could not install $*:"$'\n'"$told"
    if [[ " $* " == *" rabbitmq-server "* ]]; then keep_rabbitmq_down; fi
}

# Only after we installed it ourselves: the service is not wanted now, nor at the next boot, nor the name server that
# its installation started (epmd refuses to go while any node needs it).
keep_rabbitmq_down() {
    if have systemctl; then systemctl disable --now rabbitmq-server >/dev/null 2>&1 || true; fi
    if have epmd; then epmd -kill >/dev/null 2>&1 || true; fi
}

has_rabbitmq() { [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]] || have rabbitmq-server; }

# HUB_TEST_CHROMIUM names one that is not on the PATH.
has_chromium() { [[ -x ${HUB_TEST_CHROMIUM:-} ]] || have chromium || have chromium-browser || have google-chrome; }

# The embedded mongod's only need that a minimal Debian lacks; not needed where a MongoDB was given.
needs_libcurl() {
    [[ $(uname -s)/$(uname -m) == Linux/x86_64 && -z ${HUB_MONGO__URL:-} ]] || return 1
    ! has_library libcurl.so.4
}

# A minimal Debian lacks libcurl, which the embedded mongod wants, and libatomic, which Playwright's driver wants.
has_library() { "$SYSTEM_PYTHON" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$1" 2>/dev/null; }

# ------------------------------------------------------------------------------------------- Python environment

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v -- "$candidate"
            return
        fi
    done
    fail "Python 3.11 or later is needed (Debian 12: apt-get install python3)"
}

have_uv_or_pip() {
    uv_works || "$SYSTEM_PYTHON" -c 'import pip' 2>/dev/null || "$SYSTEM_PYTHON" -c 'import ensurepip, venv' 2>/dev/null
}

uv_works() { uv --version >/dev/null 2>&1 || [[ -x $VENV/bootstrap/bin/uv ]]; }

# The machine's own uv, or one in a corner of .venv, got by whichever of pip and venv there is.
uv_path() {
    if uv --version >/dev/null 2>&1; then command -v uv; return; fi
    local place="$VENV/bootstrap"
    if [[ ! -x $place/bin/uv ]]; then
        say "getting uv"
        rm -rf "$place" && mkdir -p "$VENV"
        if "$SYSTEM_PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
            "$SYSTEM_PYTHON" -m venv "$place" >&2
            "$place/bin/python" -m pip install --quiet uv >&2
        else
            "$SYSTEM_PYTHON" -m pip install --quiet --target "$place" uv >&2
        fi
    fi
    printf '%s\n' "$place/bin/uv"
}

sync_environment() {
    local lock=requirements-dev.lock uv
    # An environment for development stays one, or `scripts/run` would take the tests' packages away after a change.
    if [[ $1 == run && ! -x $VENV/bin/pytest ]]; then lock=requirements.lock; fi
    uv="$(uv_path)"
    say "installing Python packages from $lock (once)"
    if ! [[ -x $PYTHON ]] || ! "$PYTHON" -c '' 2>/dev/null; then
        "$uv" venv --quiet --allow-existing --python "$SYSTEM_PYTHON" "$VENV" >&2
    fi
    rm -f "$VENV/.synced"
    "$uv" pip sync --quiet --python "$PYTHON" --require-hashes "$lock" >&2
    cp "$lock" "$VENV/.synced"
}
