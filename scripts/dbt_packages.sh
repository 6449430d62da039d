#!/usr/bin/env bash
# Fills dbt_packages/: from the package hub, or, where that cannot be reached, from offline_packages/.
# STOREHOUSE_OFFLINE=1 does not ask the hub. Safe to run again: a half-finished install is done anew.
set -euo pipefail
cd "$(dirname "$0")/.."

log=${STOREHOUSE_DATA_DIR:-data}/logs/dbt_deps.log
# Copied last, so that only a complete install of exactly this lock has it.
stamp=dbt_packages/package-lock.yml
if cmp --silent package-lock.yml "$stamp" && [ ! packages.yml -nt "$stamp" ]; then
    exit 0
fi

install_offline_packages() {
    rm -rf dbt_packages
    mkdir dbt_packages
    for package in offline_packages/*/; do
        ln -s "../${package%/}" dbt_packages/
    done
    echo "  $1: using the project's own equivalents in offline_packages/ (same results)."
}

if [ "${STOREHOUSE_OFFLINE:-0}" = 1 ]; then
    install_offline_packages "STOREHOUSE_OFFLINE is set"
elif mkdir -p "$(dirname "$log")" && .venv/bin/dbt --no-use-colors deps >"$log" 2>&1; then
    echo "  dbt_utils and dbt_expectations come from the package hub."
elif grep --quiet "External connection exception occurred" "$log"; then
    install_offline_packages "The dbt package hub cannot be reached"
else
    reason=$(grep . "$log" | tail -n 1 | sed 's/^ *//')
    printf '\033[31m✗ dbt deps failed: %s\n  Mend packages.yml, then run make setup again. Everything that dbt said is in %s.\033[0m\n' \
        "$reason" "$log" >&2
    exit 1
fi
cp package-lock.yml "$stamp"
