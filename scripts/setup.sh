#!/usr/bin/env bash
# Sets up everything the project needs inside the repository: .venv, the locked packages, dbt's packages, .env.
# Safe to run again: it only redoes what is missing or out of date.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
fail() { printf '\033[31m✗ %s\033[0m\n' "$*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "Python was not found as '$python'. Install Python 3.11 or newer, or name it: make setup PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old: Storehouse needs Python 3.11 or newer. Install it and run: make setup PYTHON=python3.11"

venv_python=.venv/bin/python
if ! "$venv_python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || ! "$venv_python" -m pip --version >/dev/null 2>&1; then
    echo "▸ Creating the virtual environment in .venv"
    # Without ensurepip (Debian's bare python3) venv cannot be made.
    "$python" -m venv --clear .venv || fail "The virtual environment could not be made. On Debian and Ubuntu: apt-get install python3-venv; then run make setup again."
fi

locks=(requirements.txt)
# Once asked for, Spark stays: it is 450 MB that only TARGET=spark needs.
if [ "${1:-}" = spark ] || [ -e .venv/.storehouse-spark ]; then
    locks+=(requirements-spark.txt)
fi
echo "▸ Installing the locked packages (${locks[*]})"
uv_version=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' requirements.txt)
if [ "$(.venv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != "$uv_version" ]; then
    "$venv_python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        --requirement <(sed -n '/^uv==/,/[^\\]$/p' requirements.txt) ||
        fail "The package index could not be reached (see above). Check the network or the proxy (HTTPS_PROXY), or name a mirror: PIP_INDEX_URL=https://mirror/simple make setup"
fi
# A mirror or a certificate authority that pip was told about holds for uv as well.
index=${PIP_INDEX_URL:-$("$venv_python" -m pip config get global.index-url 2>/dev/null || true)}
[ -z "$index" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}
# Compiled once: where PYTHONDONTWRITEBYTECODE is set, as in many containers, each start of dbt would compile it all anew.
export UV_COMPILE_BYTECODE=${UV_COMPILE_BYTECODE:-true}
UV_SYSTEM_CERTS=true .venv/bin/uv pip sync --quiet --python "$venv_python" --require-hashes "${locks[@]}" ||
    fail "The locked packages could not be installed (see above). Check the network or the disk and run make setup again: it goes on where it stopped."

[ -f .env ] || cp .env.example .env # dbt reads it by itself
mkdir -p data

echo "▸ Installing the dbt packages (packages.yml)"
scripts/dbt_packages.sh

touch .venv/.storehouse-setup
[ "${#locks[@]}" = 1 ] || touch .venv/.storehouse-spark
echo "✓ Set up. Next: make run"
