"""Draws the README's chart from the warehouse: `python scripts/charts.py` writes docs/images/daily_sales.svg."""

import os
from pathlib import Path

import altair as alt
import duckdb

ROOT = Path(__file__).parents[1]
WAREHOUSE = Path(os.environ.get("STOREHOUSE_DATA_DIR", "data")) / "warehouse.duckdb"
IMAGE = ROOT / "docs/images/daily_sales.svg"


def daily_sales_chart(connection: duckdb.DuckDBPyConnection) -> alt.LayerChart:
    """Net sales per day as thin bars with their 30-day average on top."""
    days = connection.sql(
        """
        select cast(date_day as varchar) as day, cast(net_sales as double) as net_sales,
            cast(net_sales_30_day_average as double) as average
        from marts.agg_daily_sales order by date_day
        """
    )
    names = days.columns
    base = alt.Chart(alt.Data(values=[dict(zip(names, row, strict=True)) for row in days.fetchall()])).encode(
        x=alt.X("day:T", title=None, axis=alt.Axis(format="%b %Y", tickCount=8, grid=False))
    )
    bars = base.mark_bar(color="#c9d8e6", width=1).encode(
        y=alt.Y("net_sales:Q", title="EUR per day", axis=alt.Axis(format="~s"))
    )
    line = base.mark_line(color="#c2410c", strokeWidth=2).encode(y="average:Q")
    title = alt.TitleParams("Net sales of the demo shop", subtitle="per day, and the 30-day average", anchor="start")
    return (bars + line).properties(width=820, height=240, title=title).configure_view(stroke=None)


if __name__ == "__main__":
    IMAGE.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(WAREHOUSE), read_only=True) as warehouse:
        daily_sales_chart(warehouse).save(IMAGE)
    print(f"✓ {IMAGE.relative_to(ROOT)}")
