"""What a session's trades come to: its average price, who was the more eager, and where most was traded."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from dtcpos.exact import EXACT, rounded_quotient
from dtcpos.model import ZERO, Snapshot


def profile(volumes: Mapping[Decimal, Decimal], *, at_bid: Decimal, at_ask: Decimal) -> Snapshot:
    """Return the figures of a session from the volume traded at each price, and of that at the bid and at the ask.

    The average price is rounded half-even to 10 decimals. Of several prices with the most volume the point of control
    is the one nearest the middle of the range, and of two as near the lower. A trade whose side nobody stated counts
    for neither side; where no side was ever stated the delta is None, and without any volume everything is.
    """
    total, notional = ZERO, ZERO
    for price, volume in volumes.items():
        total = EXACT.add(total, volume)
        notional = EXACT.add(notional, EXACT.multiply(price, volume))
    if not total:
        return Snapshot()
    most, ends = max(volumes.values()), EXACT.add(min(volumes), max(volumes))
    busiest = (price for price, volume in volumes.items() if volume == most)
    return Snapshot(
        vwap=rounded_quotient(notional, total),
        cum_delta=EXACT.subtract(at_ask, at_bid) if at_bid or at_ask else None,
        # Twice the price against the sum of both ends: the distance to the middle without a division.
        poc=min(busiest, key=lambda price: (abs(EXACT.subtract(EXACT.add(price, price), ends)), price)),
    )
