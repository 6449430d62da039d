#!/usr/bin/env bash
# Makes sure that a Chromium-like browser is at hand for the test of the docs site, and prints its path.
set -euo pipefail
cd "$(dirname "$0")/.."

find_browser() {
    local name
    for name in "${STOREHOUSE_BROWSER:-}" chromium chromium-browser google-chrome google-chrome-stable microsoft-edge \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
        [ -n "$name" ] && command -v "$name" && return
    done
    # The browser that Playwright has downloaded earlier
    .venv/bin/python -c '
import pathlib, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    path = p.chromium.executable_path
print(path) if pathlib.Path(path).exists() else sys.exit(1)' 2>/dev/null
}

find_browser && exit
echo "▸ No browser found: installing Chromium" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    { apt-get update && apt-get install --yes --no-install-recommends chromium; } >"$log" 2>&1 || true
fi
find_browser && exit
.venv/bin/playwright install chromium >>"$log" 2>&1 || true
find_browser && exit
tail -3 "$log" >&2
echo "✗ No Chromium could be installed. Install Chromium or Chrome, or name one: STOREHOUSE_BROWSER=/path/to/chrome make test" >&2
exit 1
