"""Writes the dashboard: `python -m dashboards`, or with `--image` the picture in the README."""

import argparse
import os
import sys
from pathlib import Path

import duckdb

from dashboards.charts import daily_sales
from dashboards.page import page

ROOT = Path(__file__).parents[1]
DATA_DIR = Path(os.environ.get("STOREHOUSE_DATA_DIR", "data"))
PUBLISHED = DATA_DIR / "published" / "marts.duckdb"
DASHBOARD = DATA_DIR / "dashboard.html"
IMAGE = ROOT / "docs" / "images" / "daily_sales.svg"


def main() -> int:
    """Draw what readers see: the published marts, never a build that is under way."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--image", action="store_true", help=f"draw {IMAGE.relative_to(ROOT)} instead")
    arguments = parser.parse_args()
    if not PUBLISHED.exists():
        print(f"✗ Nothing is published yet: {PUBLISHED} is missing. Run: make run", file=sys.stderr)
        return 1
    with duckdb.connect(str(PUBLISHED), read_only=True) as marts:
        if arguments.image:
            IMAGE.parent.mkdir(parents=True, exist_ok=True)
            daily_sales(marts).properties(width=820).save(IMAGE)
        else:
            unfinished = DASHBOARD.with_suffix(".unfinished")
            unfinished.write_text(page(marts), encoding="utf-8")
            unfinished.replace(DASHBOARD)
    print(f"✓ {IMAGE.relative_to(ROOT) if arguments.image else DASHBOARD}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
