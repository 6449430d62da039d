"""Writes the dashboard: `python -m dashboards`, or with `--image` the picture in the README."""

import argparse
import sys

from dashboards.charts import daily_sales
from dashboards.page import page
from ingestion.errors import KindError
from operations.publish import open_state, shown_state
from operations.settings import DATA_DIR, ROOT, shown

DASHBOARD = DATA_DIR / "dashboard.html"
IMAGE = ROOT / "docs" / "images" / "daily_sales.svg"


def main() -> None:
    """Draw what readers see: the published marts, never a build that is under way."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--image", action="store_true", help=f"draw {IMAGE.relative_to(ROOT)} instead")
    arguments = parser.parse_args()
    with open_state(shown_state()) as marts:
        if arguments.image:
            IMAGE.parent.mkdir(parents=True, exist_ok=True)
            daily_sales(marts).properties(width=820).save(IMAGE)
        else:
            unfinished = DASHBOARD.with_suffix(".unfinished")
            unfinished.write_text(page(marts), encoding="utf-8")
            unfinished.replace(DASHBOARD)
    print(f"✓ {shown(IMAGE if arguments.image else DASHBOARD)}")


if __name__ == "__main__":
    try:
        main()
    except KindError as error:
        sys.exit(f"✗ {error}")
