"""The page around the charts: figures on top, a panel for every chart, everything in one file."""

from collections.abc import Iterator
from pathlib import Path

import altair as alt
import duckdb
import jinja2
import vl_convert

from dashboards.charts import panels

TEMPLATE = Path(__file__).with_name("page.html.jinja")
THEME = {
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "titleColor": "#57534e"},
    "legend": {"orient": "bottom", "labelFontSize": 12},
}
# Complete days alone: the last one may still be going on.
FIGURES = """
with days as (
    select *, (select max(date_day) from marts.agg_daily_sales) - date_day as age_days from marts.agg_daily_sales
)

select
    sum(net_sales) as net_sales,
    sum(orders) as orders,
    (sum(gross_sales) - sum(discounts)) / nullif(sum(orders), 0) as average_order,
    100 * sum(gross_profit) / nullif(sum(net_sales), 0) as gross_margin,
    100 * sum(returns) / nullif(sum(gross_sales) - sum(discounts), 0) as returned
from days
where age_days between ? and ?
"""
FORMATS = {
    "Net sales": "{:,.0f}", "Orders": "{:,.0f}", "Average order": "{:,.2f}",
    "Gross margin": "{:.1f} %", "Returned": "{:.1f} %",
}  # fmt: skip


def figures(marts: duckdb.DuckDBPyConnection) -> Iterator[dict[str, str]]:
    """The last 28 complete days as `name`, `value` and the `before` of the 28 days ahead of them."""
    now, before = (marts.execute(FIGURES, days).fetchone() for days in ([1, 28], [29, 56]))
    for (name, form), value, earlier in zip(FORMATS.items(), now, before, strict=True):
        shown = ("none" if amount is None else form.format(amount) for amount in (value, earlier))
        yield dict(zip(("name", "value", "before"), (name, *shown), strict=True))


def page(marts: duckdb.DuckDBPyConnection) -> str:
    """The dashboard as HTML, with the charts' library and data inside."""
    last_day, currency = marts.sql("select max(date_day), any_value(currency) from marts.agg_daily_sales").fetchone()
    drawn = []
    for chart, question, mart in panels():
        specification = chart(marts).properties(width="container").configure(**THEME).to_json(indent=None)
        drawn.append({"question": question, "mart": mart, "specification": specification.replace("</", "<\\/")})
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        library=vl_convert.javascript_bundle(vl_version=f"v{'.'.join(alt.SCHEMA_VERSION.strip('v').split('.')[:2])}"),
        figures=figures(marts),
        panels=drawn,
        last_day=last_day,
        currency=currency,
    )
