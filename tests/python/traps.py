"""The traps of docs/testing.md as changes of the models that bring them back; an outage (20) is no model's."""

from dataclasses import dataclass

from dbt.contracts.graph.manifest import Manifest


@dataclass(frozen=True)
class Trap:
    """A wrong turn: what a model or macro says, what the trap makes of it, and the test that must notice."""

    number: int
    name: str
    says: str
    instead: str
    held_by: str

    @property
    def tested(self) -> str:
        """The model that the unit test is about."""
        return self.held_by.split("__")[0]

    def bring_back(self, manifest: Manifest) -> None:
        """Write the trap into the project as dbt has read it."""
        kind, name = self.name.split(".")
        unique_id = f"{kind}.storehouse.{name}"
        node = manifest.macros[unique_id] if kind == "macro" else manifest.nodes[unique_id]
        attribute = "macro_sql" if kind == "macro" else "raw_code"
        text = getattr(node, attribute)
        assert text.count(self.says) == 1, f"{name} no longer says: {self.says}"
        setattr(node, attribute, text.replace(self.says, self.instead))


UNIT_TESTED = [
    Trap(
        1,
        "model.fct_orders",
        "    from {{ touched_rows(ref('fct_order_lines'), 'order_id') }}\n    group by order_id\n",
        "    from {{ touched_rows(ref('fct_order_lines'), 'order_id') }}\n    group by order_id, order_item_id\n",
        "fct_orders__sums_its_lines_once",
    ),
    Trap(
        2,
        "model.agg_daily_sales",
        "refunds.refund_date as date_day",
        "refunded_orders.order_date as date_day",
        "agg_daily_sales__a_day_without_sales_is_a_row_of_zeros",
    ),
    Trap(
        2,
        "model.rpt_discount_performance",
        "refunds.refund_date as posting_date",
        "orders.order_date as posting_date",
        "rpt_discount_performance__returns_stand_in_their_month_with_the_coupon_of_the_order",
    ),
    Trap(
        3,
        "model.rpt_customer_lifetime_value",
        "sold_amount - returns_amount') }} as net_sales_amount",
        "sold_amount') }} as net_sales_amount",
        "rpt_customer_lifetime_value__returns_are_taken_off_and_later_days_left_out",
    ),
    Trap(
        7,
        "macro.rfm_scored_ctes",
        "{{ rfm_score('monetary_amount', 'monetary_from') }}",
        "ntile(5) over (partition by measured.as_of_date order by measured.monetary_amount)",
        "rpt_customer_rfm_history__quantile_gives_equal_values_equal_scores",
    ),
    Trap(
        8,
        "model.int_calendar_bounds_derived",
        "{{ as_of_expression }}",
        "current_date",
        "int_calendar_bounds_derived__takes_today_from_the_data",
    ),
    Trap(
        9,
        "macro.trailing_average",
        "when count(*) over {{ window }} = {{ days }}",
        "when count(*) over {{ window }} > 0",
        "agg_daily_sales__windows_count_calendar_days",
    ),
    Trap(
        10,
        "model.int_orders_dated",
        "{{ to_local_date('orders.ordered_at', 'stores.timezone') }}",
        "cast(orders.ordered_at as date)",
        "int_orders_dated__uses_the_calendar_of_the_store",
    ),
    Trap(
        10,
        "model.rpt_seasonality",
        "{{ to_local_hour('orders.ordered_at', 'stores.timezone') }}",
        "cast(extract(hour from orders.ordered_at) as integer)",
        "rpt_seasonality__weekdays_need_full_weeks_and_hours_are_local",
    ),
    Trap(
        11,
        "model.int_fx_rates_filled_to_days",
        "rate_windows.rate_date <= days.date_day or rate_windows.is_first",
        "rate_windows.rate_date = days.date_day",
        "int_fx_rates_filled_to_days__carries_rates_over_the_weekend",
    ),
    Trap(
        11,
        "model.int_order_discounts_allocated_to_lines",
        "{{ minor_units('currency') }} as minor_units",
        "100 as minor_units",
        "int_order_discounts_allocated_to_lines__shares_remainders",
    ),
    Trap(
        12,
        "model.int_orders_qualified_as_sales",
        "not is_test_order and not is_deleted and not",
        "not is_deleted and not",
        "int_orders_qualified_as_sales__says_which_orders_count",
    ),
    Trap(
        13,
        "model.int_identities_resolved_to_orders",
        "cast(order_id as {{ dbt.type_string() }})\n        ) as identity_value",
        "'guest'\n        ) as identity_value",
        "int_identities_resolved_to_orders__knows_guests_by_address",
    ),
    Trap(
        14,
        "model.int_order_lines_netted_of_tax",
        "- case when prices_include_tax then tax_amount else 0 end as net_amount",
        "as net_amount",
        "int_order_lines_netted_of_tax__takes_out_included_tax",
    ),
    Trap(
        15,
        "model.int_order_lines_costed",
        "and orders.ordered_at >= product_versions.valid_from\n"
        "            and orders.ordered_at < {{ open_end('product_versions.valid_to') }}",
        "and product_versions.valid_to is null",
        "int_order_lines_costed__takes_the_cost_as_of_the_sale",
    ),
    Trap(
        16,
        "model.rpt_cohort_retention",
        "case when months.is_complete then coalesce(activity.active_customers, 0) end as",
        "coalesce(activity.active_customers, 0) as",
        "rpt_cohort_retention__unripe_cells_are_null_and_quiet_months_are_zero",
    ),
    Trap(
        17,
        "model.agg_daily_sales",
        "count(distinct postings.identity_key) as customers",
        "count(postings.identity_key) as customers",
        "agg_daily_sales__a_day_without_sales_is_a_row_of_zeros",
    ),
    Trap(
        18,
        "model.fct_order_lines",
        "case when lines.line_type = 'product' then netted.gross_amount else 0 end as",
        "netted.gross_amount as",
        "fct_order_lines__keeps_gift_cards_and_charges_out_of_sales",
    ),
    Trap(
        22,
        "model.fct_orders",
        "(partition by identity_key order by order_date, ordered_at, order_id)",
        "(partition by identity_key order by order_date, ordered_at)",
        "fct_orders__numbers_the_sales_of_each_identity",
    ),
    Trap(
        23,
        "model.rpt_recommendations",
        "having sum(available_quantity) > 0",
        "",
        "rpt_recommendations__offers_what_goes_with_purchases_then_best_sellers",
    ),
]

# Held by tests of data: on the tiny shop, after a load of changes.
BUILT = [
    Trap(
        4,
        "model.agg_daily_sales",
        "select orders.order_date as date_day from ({{ changed('fct_orders', 'order_date') }}) as orders",
        "select date_day from {{ ref('dim_dates') }}\n"
        "where date_day > (select max(held.date_day) from {{ this }} as held)",
        "marts.agg_daily_sales",
    ),
    Trap(
        5,
        "model.int_inventory_days_balanced",
        "held.closing_quantity",
        "0",
        "intermediate.int_inventory_days_balanced",
    ),
    Trap(
        19,
        "model.stg_api__campaign_spend",
        "where reject_reason is null",
        "where reject_reason is null and clicks > 100",
        "assert_every_raw_row_is_accounted_for",
    ),
]
# By itself: on a shop whose first build found nothing.
BUILT_EMPTY = Trap(
    6,
    "model.fct_inventory_movements",
    "from ({{ changed('stg_files__inventory_events', 'event_id') }}) as movements",
    "from {{ ref('stg_files__inventory_events') }} as movements\n"
    "where movements.occurred_at > (select max(held.occurred_at) from {{ this }} as held)",
    "marts.fct_inventory_movements",
)
# By itself: what stands above versions that are built anew is built anew too.
VERSIONED = Trap(
    21,
    "macro.version_windows",
    "else dbt_valid_from\n",
    "else dbt_valid_from + interval '1' minute\n",
    "windows_without_gaps_int_customer_versions_windowed_customer_id__valid_from__valid_to",
)
