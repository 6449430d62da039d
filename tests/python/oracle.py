"""The daily numbers worked out a second time, in plain Python, from the shop's own Postgres.

Follows docs/money.md and shares no code with the models: where both agree to the cent, both are right or both read the
definition the same wrong way.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

Query = Callable[[str], list[tuple]]
CENT = Decimal("0.01")
MINOR_UNIT = defaultdict(lambda: CENT, JPY=Decimal(1))
ZERO = Decimal(0)


def rounded(amount: Decimal, unit: Decimal = CENT) -> Decimal:
    """Round half away from zero to a multiple of `unit`."""
    return amount.quantize(unit, rounding=ROUND_HALF_UP)


def shares(total: Decimal, weights: list[Decimal], unit: Decimal) -> list[Decimal]:
    """Split `total` in proportion to `weights` by largest remainder; ties go to the earlier weight."""
    if not total:
        return [ZERO for _ in weights]
    exact = [total * weight / sum(weights) for weight in weights]
    result = [share.quantize(unit, rounding=ROUND_DOWN) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda index: (result[index] - exact[index], index))
    for index in by_remainder[: int((total - sum(result)) / unit)]:
        result[index] += unit
    return result


class Rates:
    """Exchange rates into EUR; a day without a rate uses the last one before it."""

    def __init__(self, query: Query) -> None:
        self.known = {
            (day, currency): rate
            for day, currency, rate in query("select rate_date, currency, rate from provider.fx_rates")
        }

    def on(self, day: date, currency: str) -> Decimal:
        """The rate of one unit of `currency` in EUR on `day`."""
        if currency == "EUR":
            return Decimal(1)
        while (day, currency) not in self.known:
            day -= timedelta(days=1)
        return self.known[day, currency]


def daily_sales(query: Query) -> dict[date, dict[str, Decimal]]:
    """Work out gross sales, discounts, returns, taxes, shipping and orders per store-local day, in EUR.

    `query` runs SQL in the shop's Postgres. Reads the tables of the source contract only.
    """
    rates = Rates(query)
    zones = {store: ZoneInfo(zone) for store, zone in query("select store_id, timezone from shop.stores")}
    paid_first = dict(
        query(
            "select order_id, min(created_at) from provider.payments "
            "where kind in ('sale', 'capture') and status = 'succeeded' group by order_id"
        )
    )
    lines = defaultdict(list)
    for line in query(
        "select order_id, order_item_id, product_id, quantity, unit_price, discount_amount, tax_amount, is_gift_card "
        "from shop.order_items order by order_item_id"
    ):
        lines[line[0]].append(line)

    days: dict[date, dict[str, Decimal]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    store_of_sale = {}
    products = set()
    for order, store, currency, discount, shipping, at, cancelled, inclusive in query(
        "select o.order_id, o.store_id, o.currency, o.discount_amount, o.shipping_amount, o.ordered_at, o.cancelled_at,"
        " s.prices_include_tax from shop.orders o join shop.stores s using (store_id)"
        " left join shop.customers c using (customer_id)"
        " where not o.is_test and not coalesce(c.is_test, false) and o.deleted_at is null"
    ):
        if cancelled and not (order in paid_first and paid_first[order] <= cancelled):
            continue
        store_of_sale[order] = store
        day = local_date(at, zones[store])
        rate, unit, totals = rates.on(day, currency), MINOR_UNIT[currency], days[day]
        weights = [quantity * price - line_discount for _, _, _, quantity, price, line_discount, _, _ in lines[order]]
        for line, amount, share in zip(lines[order], weights, shares(discount, weights, unit), strict=True):
            _, item, product, quantity, price, _, tax, is_gift_card = line
            gross, paid = quantity * price, amount - share
            net = paid - tax if inclusive else paid
            if inclusive and paid:
                gross = rounded(gross * net / paid, unit)
            totals["taxes"] += rounded(tax * rate)
            if is_gift_card or product is None:
                continue
            products.add(item)
            totals["gross_sales"] += rounded(gross * rate)
            totals["discounts"] += rounded((gross - net) * rate)
        totals["shipping"] += rounded(shipping * rate)
        totals["orders"] += 1

    for order, currency, at, item, amount, tax in query(
        "select r.order_id, r.currency, r.refunded_at, l.order_item_id, l.amount, l.tax_amount"
        " from provider.refunds r join provider.refund_lines l using (refund_id)"
    ):
        if order in store_of_sale:
            day = local_date(at, zones[store_of_sale[order]])
            rate, totals = rates.on(day, currency), days[day]
            totals["taxes"] -= rounded(tax * rate)
            if item in products:
                totals["returns"] += rounded(amount * rate)
    for order, currency, at, shipping in query(
        "select order_id, currency, refunded_at, shipping_amount from provider.refunds"
    ):
        if order in store_of_sale:
            day = local_date(at, zones[store_of_sale[order]])
            days[day]["shipping"] -= rounded(shipping * rates.on(day, currency))
    return days


def local_date(moment: datetime, zone: ZoneInfo) -> date:
    """The calendar day of a moment in a time zone."""
    return moment.astimezone(zone).date()
