"""The charts of the dashboard, one function each, all of them read from the published marts."""

from collections.abc import Callable, Iterator

import altair as alt
import duckdb

BLUE, PALE, ORANGE = "#1d5f8a", "#c9d8e6", "#c2410c"
HEIGHT = 240
# Worst first: the order in which somebody has to act
STOCK_STATUSES = {"out": "#b91c1c", "low": "#f59e0b", "ok": "#4d7c0f", "excess": "#0e7490", "dead": "#6b7280"}


def rows(marts: duckdb.DuckDBPyConnection, query: str) -> alt.Data:
    """The rows of a query as a chart's data; decimals and dates become what a browser can read."""
    result = marts.sql(query)
    columns = [
        f'cast("{name}" as {"varchar" if kind == "date" else "double"}) as "{name}"'
        if kind == "date" or kind.id == "decimal"
        else f'"{name}"'
        for name, kind in zip(result.columns, result.types, strict=True)
    ]
    result = result.select(", ".join(columns))
    return alt.Data(values=[dict(zip(result.columns, row, strict=True)) for row in result.fetchall()])


def daily_sales(marts: duckdb.DuckDBPyConnection) -> alt.LayerChart:
    """Net sales per day as thin bars with their 30-day average on top."""
    days = rows(
        marts,
        "select date_day, currency, net_sales, net_sales_30_day_average from marts.agg_daily_sales order by date_day",
    )
    base = alt.Chart(days).encode(
        x=alt.X("date_day:T", title=None, axis=alt.Axis(format="%b %Y", tickCount=8, grid=False)),
        tooltip=[
            alt.Tooltip("date_day:T", title="Day", format="%A, %d %B %Y"),
            alt.Tooltip("net_sales:Q", title="Net sales", format=",.2f"),
            alt.Tooltip("net_sales_30_day_average:Q", title="30-day average", format=",.2f"),
            alt.Tooltip("currency:N", title="Currency"),
        ],
    )
    bars = base.mark_bar(color=PALE, width=1).encode(
        y=alt.Y("net_sales:Q", title="Net sales a day", axis=alt.Axis(format="~s"))
    )
    line = base.mark_line(color=ORANGE, strokeWidth=2).encode(y="net_sales_30_day_average:Q")
    return (bars + line).properties(height=HEIGHT)


def sales_by_category(marts: duckdb.DuckDBPyConnection) -> alt.Chart:
    """Net sales of product lines per month and category, stacked."""
    months = rows(
        marts,
        """
        select date_trunc('month', date_day)::date as month, category, sum(net_sales) as net_sales
        from marts.agg_daily_sales_by_dimension
        group by all having sum(net_sales) <> 0 order by all
        """,
    )
    return (
        alt.Chart(months)
        .mark_bar()
        .encode(
            x=alt.X("month:T", timeUnit="yearmonth", title=None, axis=alt.Axis(format="%b %y", grid=False)),
            y=alt.Y("net_sales:Q", title="Net sales a month", axis=alt.Axis(format="~s")),
            color=alt.Color("category:N", title=None),
            tooltip=[
                alt.Tooltip("month:T", format="%B %Y", title="Month"),
                alt.Tooltip("category:N", title="Category"),
                alt.Tooltip("net_sales:Q", title="Net sales", format=",.2f"),
            ],
        )
        .properties(height=HEIGHT)
    )


def seasons(marts: duckdb.DuckDBPyConnection) -> alt.Chart:
    """Sales by the hour of the store's day, against an average hour (100)."""
    indexes = rows(
        marts,
        """
        select season_number, season_name, sales_index, sales_amount
        from marts.rpt_seasonality where season_type = 'hour' order by all
        """,
    )
    return (
        alt.Chart(indexes)
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X(
                "season_name:N",
                sort=alt.SortField("season_number"),
                title=None,
                axis=alt.Axis(labelAngle=0, labelOverlap=True),
            ),
            y=alt.Y("sales_index:Q", title="Average hour = 100"),
            tooltip=[
                alt.Tooltip("season_name:N", title="Hour"),
                alt.Tooltip("sales_index:Q", title="Index", format=".0f"),
                alt.Tooltip("sales_amount:Q", title="Sales before returns", format=",.2f"),
            ],
        )
        .properties(height=HEIGHT)
    )


def segments(marts: duckdb.DuckDBPyConnection) -> alt.LayerChart:
    """Customers per RFM segment, the largest on top."""
    counts = rows(
        marts,
        """
        select segment, count(*) as customers, sum(monetary_amount) as net_sales
        from marts.rpt_customer_rfm group by all order by customers desc
        """,
    )
    base = alt.Chart(counts).encode(
        y=alt.Y("segment:N", sort="-x", title=None),
        x=alt.X("customers:Q", title="Customers", axis=alt.Axis(grid=False)),
        tooltip=[
            alt.Tooltip("segment:N", title="Segment"),
            alt.Tooltip("customers:Q", title="Customers", format=","),
            alt.Tooltip("net_sales:Q", title="What they spent", format=",.2f"),
        ],
    )
    bars = base.mark_bar(color=BLUE)
    labels = base.mark_text(align="left", dx=4).encode(text=alt.Text("customers:Q", format=","))
    return (bars + labels).properties(height=HEIGHT)


def cohorts(marts: duckdb.DuckDBPyConnection) -> alt.Chart:
    """Retention of the last twelve cohorts; months that are not over yet stay blank."""
    cells = rows(
        marts,
        """
        select cohort_month, month_number, retention_pct, active_customers, cohort_customers
        from marts.rpt_cohort_retention
        where is_ripe and month_number between 1 and 12
            and cohort_month >= (select max(cohort_month) from marts.rpt_cohort_retention) - interval 12 month
        order by all
        """,
    )
    return (
        alt.Chart(cells)
        .mark_rect()
        .encode(
            x=alt.X("month_number:O", title="Months after the first order", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("cohort_month:O", timeUnit="yearmonth", title=None, axis=alt.Axis(format="%b %Y")),
            color=alt.Color("retention_pct:Q", title="Bought again, %", scale=alt.Scale(scheme="blues")),
            tooltip=[
                alt.Tooltip("cohort_month:T", format="%B %Y", title="First order in"),
                alt.Tooltip("month_number:O", title="Months later"),
                alt.Tooltip("retention_pct:Q", format=".1f", title="Bought again, %"),
                alt.Tooltip("active_customers:Q", title="Customers who did"),
                alt.Tooltip("cohort_customers:Q", title="of"),
            ],
        )
        .properties(height=HEIGHT)
    )


def funnel(marts: duckdb.DuckDBPyConnection) -> alt.Chart:
    """Sessions of the last 28 days that reached each step in its order, per device."""
    steps = rows(
        marts,
        """
        with recent as (
            select * from marts.rpt_funnel_daily
            where session_date > (select max(session_date) from marts.rpt_funnel_daily) - interval 28 day
        )
        select device, step, sum(sessions) as sessions
        from (
            unpivot (
                select device, session_count as "1 visited", strict_product_view_session_count as "2 saw a product",
                    strict_add_to_cart_session_count as "3 filled a cart",
                    strict_checkout_session_count as "4 went to pay", strict_purchase_session_count as "5 bought"
                from recent
            )
            on columns(* exclude device) into name step value sessions
        )
        group by all order by all
        """,
    )
    return (
        alt.Chart(steps)
        .mark_bar()
        .encode(
            x=alt.X("step:N", title=None, axis=alt.Axis(labelAngle=0, labelExpr="substring(datum.value, 2)")),
            y=alt.Y("sessions:Q", title="Sessions in 28 days", axis=alt.Axis(format="~s")),
            color=alt.Color("device:N", title=None),
            tooltip=["device:N", "step:N", alt.Tooltip("sessions:Q", format=",")],
        )
        .properties(height=HEIGHT)
    )


def attribution(marts: duckdb.DuckDBPyConnection) -> alt.Chart:
    """What each traffic source earned in 28 days, by the first and by the last touch: where they part, ask why."""
    sources = rows(
        marts,
        """
        select coalesce(traffic_source, 'direct') as traffic_source, replace(attribution_model, '_', ' ') as model,
            sum(reporting_attributed_amount) as net_sales
        from marts.rpt_attribution
        where attribution_model in ('first_touch', 'last_touch', 'linear')
            and order_date > (select max(order_date) from marts.rpt_attribution) - interval 28 day
        group by all order by all
        """,
    )
    return (
        alt.Chart(sources)
        .mark_bar()
        .encode(
            y=alt.Y("traffic_source:N", sort=alt.EncodingSortField("net_sales", "sum", "descending"), title=None),
            x=alt.X("net_sales:Q", title="Sales in 28 days", axis=alt.Axis(format="~s")),
            yOffset="model:N",
            color=alt.Color("model:N", title=None),
            tooltip=["traffic_source:N", "model:N", alt.Tooltip("net_sales:Q", format=",.2f")],
        )
        .properties(height=HEIGHT)
    )


def stock(marts: duckdb.DuckDBPyConnection) -> alt.Chart:
    """Active products per place and status of their stock."""
    counts = rows(
        marts,
        """
        select location_code, status, count(*) as products
        from marts.rpt_inventory_status where is_active group by all order by all
        """,
    )
    scale = alt.Scale(domain=list(STOCK_STATUSES), range=list(STOCK_STATUSES.values()))
    return (
        alt.Chart(counts)
        .mark_bar()
        .encode(
            y=alt.Y("location_code:N", title=None),
            x=alt.X("products:Q", title="Products"),
            color=alt.Color("status:N", title=None, scale=scale),
            order=alt.Order("rank:Q"),
            tooltip=["location_code:N", "status:N", "products:Q"],
        )
        .transform_calculate(rank=f"indexof({list(STOCK_STATUSES)}, datum.status)")
        .properties(height=HEIGHT)
    )


def rejected_rows(marts: duckdb.DuckDBPyConnection) -> alt.Chart:
    """Rows that staging set aside, per table of the source and reason."""
    reasons = rows(
        marts,
        """
        select source_table, replace(reject_reason, '_', ' ') as reason, count(*) as set_aside
        from marts.ops_rejected_rows group by all order by all
        """,
    )
    return (
        alt.Chart(reasons)
        .mark_bar()
        .encode(
            y=alt.Y("source_table:N", sort="-x", title=None),
            x=alt.X("set_aside:Q", title="Rows", axis=alt.Axis(tickMinStep=1)),
            color=alt.Color("reason:N", title=None, legend=alt.Legend(columns=3, symbolLimit=0)),
            tooltip=["source_table:N", "reason:N", alt.Tooltip("set_aside:Q", title="Rows", format=",")],
        )
        .properties(height=HEIGHT)
    )


def panels() -> Iterator[tuple[Callable[[duckdb.DuckDBPyConnection], alt.TopLevelMixin], str, str]]:
    """The panels in the order of the page: the chart, its question, the mart that answers it."""
    yield daily_sales, "How do we sell?", "agg_daily_sales"
    yield sales_by_category, "What sells?", "agg_daily_sales_by_dimension"
    yield seasons, "When do they buy?", "rpt_seasonality"
    yield segments, "Who are our customers?", "rpt_customer_rfm"
    yield cohorts, "Do they come back?", "rpt_cohort_retention"
    yield funnel, "Where do visitors leave?", "rpt_funnel_daily"
    yield attribution, "What brings the buyers?", "rpt_attribution"
    yield stock, "What must be ordered?", "rpt_inventory_status"
    yield rejected_rows, "What was set aside, and why?", "ops_rejected_rows"
