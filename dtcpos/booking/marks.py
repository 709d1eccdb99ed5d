"""What a trade price does to an open position: excursions and unrealized profit, in points.

The profit of a position at a price is `realized - cost + quantity x price`, which includes what partial exits have
earned; its worst and best over the life of the position are MAE and MFE.
"""

from __future__ import annotations

import math
from decimal import Decimal

from attrs import evolve

from dtcpos.booking.book import EXACT, extremes
from dtcpos.model import Position


def mark(position: Position, price: Decimal) -> Position:
    """Widen the extremes of an open position by a trade at `price`; the same object comes back if nothing changed."""
    low, high, mae, mfe = extremes(position, price, position.signed_quantity, position.cost, position.realized)
    if (low, high, mae, mfe) == (position.price_min, position.price_max, position.mae, position.mfe):
        return position
    return evolve(position, price_min=low, price_max=high, mae=mae, mfe=mfe)


def unrealized(position: Position, price: Decimal) -> Decimal | None:
    """Return the points still open at `price`, None where the cost is unknown."""
    if position.cost is None:
        return None
    return EXACT.subtract(EXACT.multiply(position.signed_quantity, price), position.cost)


def quiet_band(position: Position) -> tuple[float, float]:
    """Return the range of prices at which `mark` would change nothing, as floats that never claim too much.

    The bounds are inclusive. An empty band (low > high) means every price must be looked at.
    """
    if position.price_min is None or position.price_max is None:
        return math.inf, -math.inf
    low, high = float(position.price_min), float(position.price_max)
    if position.cost is not None and position.realized is not None:
        moved = EXACT.subtract(position.realized, position.cost)
        ends = sorted(
            float(EXACT.subtract(bound, moved)) / float(position.signed_quantity)
            for bound in (position.mae, position.mfe)
        )
        # A float division may land one step outside; one step inside costs a look and loses nothing.
        low = max(low, math.nextafter(ends[0], math.inf))
        high = min(high, math.nextafter(ends[1], -math.inf))
    return low, high
