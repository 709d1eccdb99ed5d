"""Orders with what was filled of them: for a quick yes all at once, and one by one to be named."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from dtcpos.errors import LedgerCorrupt
from dtcpos.exact import EXACT
from dtcpos.model import ZERO, Side
from dtcpos.store.audit import TOLD_EVERY, Progress, leniently, strictly
from dtcpos.store.columns import WORKING_ORDER, listed
from dtcpos.store.glance import UNREADABLE
from dtcpos.store.queries import CURRENT, LedgerQueries
from dtcpos.store.rows import decimal_or_none, finite, moment_or_none

# A broken index may find fills of another order than the one looked for.
_FILLED: Final = (
    "SELECT o.account, o.order_id, o.symbol, o.quantity, f.quantity FROM working_order o CROSS JOIN fill f "
    "ON f.account = o.account AND f.order_id = o.order_id AND +f.order_id = o.order_id "
    f"WHERE o.quantity IS NOT NULL AND f.order_id <> '' AND {CURRENT} {{of_one}} ORDER BY o.account, o.order_id"
)
_ORDERS: Final = (
    f"SELECT {listed(WORKING_ORDER, 'o')}, (SELECT group_concat(f.quantity, ' ') FROM fill f WHERE "
    f"f.account = o.account AND f.order_id = o.order_id AND f.order_id <> '' AND {CURRENT}) "
    "FROM working_order o ORDER BY o.account, o.order_id"
)
_SIDES: Final = {None, *(side.value for side in Side)}
_OVERFILLED_MAX: Final = 1000


class FilledOrder(NamedTuple):
    """An order, what it was for, and what was filled of it."""

    account: str
    order_id: str
    symbol: str
    quantity: Decimal
    fills: list[Decimal]


def filled_orders(
    ledger: LedgerQueries, progress: Progress, name: tuple[str, str] | None = None
) -> Iterator[FilledOrder]:
    """Yield every order with the quantities of its fills, by account and id; with a `name` only the one it names."""
    of_one = "" if name is None else "AND o.account = ? AND o.order_id = ?"
    with leniently(ledger):
        rows = ledger._stream(_FILLED.format(of_one=of_one), name or ())
        for done, (order, group) in enumerate(groupby(rows, key=itemgetter(0, 1, 2, 3))):
            account, order_id, symbol, quantity = order
            if not done % TOLD_EVERY:
                progress("orders", done, 0)
            try:
                fills = [finite(row[4]) for row in group]
                filled = FilledOrder(account, order_id, symbol, finite(quantity), fills)
            except UNREADABLE as error:
                raise ledger._damage(error) from error
            yield filled


def overfilled_orders(ledger: LedgerQueries, progress: Progress) -> list[tuple[str, str]] | None:
    """Return the account and id of every order filled beyond its quantity.

    None where an order cannot be read, or where there are very many. Fills must have been found sound before.
    """
    found: list[tuple[str, str]] = []
    try:
        with strictly(ledger):
            for done, row in enumerate(ledger._stream(_ORDERS)):
                if not done % TOLD_EVERY:
                    progress("orders", done, 0)
                _, _, _, side, _, _, price1, price2, quantity, filled, _, _, updated_at, fills = row
                if side not in _SIDES:
                    return None
                for amount in (price1, price2, filled):
                    decimal_or_none(amount)
                moment_or_none(updated_at)
                if quantity is not None and _is_overfilled(quantity, fills):
                    found.append(row[:2])
                    if len(found) > _OVERFILLED_MAX:
                        return None
    except (LedgerCorrupt, *UNREADABLE):
        return None
    return found


# Most orders are for one of a few quantities, filled in one of a few ways: 4.1 µs an order against 4.8.
@lru_cache(maxsize=4096)
def _is_overfilled(quantity: str, fills: str | None) -> bool:
    ordered, total = finite(quantity), ZERO
    for text in fills.split(" ") if fills is not None else ():
        total = EXACT.add(total, finite(text))
    return bool(ordered) and total > ordered
