"""What a trade price does to an open position: excursions and unrealized profit, in points.

The profit of a position at a price is `realized - cost + quantity x price`, which includes what partial exits have
earned; its worst and best over the life of the position are MAE and MFE.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from dtcpos.booking.book import extremes
from dtcpos.exact import EXACT
from dtcpos.model import Position

# Far more digits than a double has, rounded into the band.
_UP = Context(prec=60, rounding=ROUND_CEILING)
_DOWN = Context(prec=60, rounding=ROUND_FLOOR)


def mark(position: Position, price: Decimal) -> Position:
    """Widen the extremes of an open position by a trade at `price`; the same object comes back if nothing changed."""
    low, high, mae, mfe = extremes(position, price, position.signed_quantity, position.cost, position.realized)
    if (low, high, mae, mfe) == (position.price_min, position.price_max, position.mae, position.mfe):
        return position
    return position._replace(price_min=low, price_max=high, mae=mae, mfe=mfe)


def widened(position: Position, low: Decimal | None, high: Decimal | None) -> Position:
    """Widen an open position by the lowest and highest price the server saw during it; never narrows.

    The excursions in profit are widened only where the quantity has not changed since entry: else nobody knows how
    many lots met those prices.
    """
    if position.fills == 1:
        for price in (low, high):
            position = position if price is None else mark(position, price)
        return position
    if position.price_min is None or position.price_max is None:
        return position
    least = position.price_min if low is None else min(low, position.price_min)
    most = position.price_max if high is None else max(high, position.price_max)
    if (least, most) == (position.price_min, position.price_max):
        return position
    return position._replace(price_min=least, price_max=most)


def quiet_band(position: Position) -> tuple[float, float]:
    """Return the range of prices at which `mark` would change nothing, as floats that never claim too much.

    The bounds are inclusive. An empty band (low > high) means every price must be looked at.
    """
    if position.price_min is None or position.price_max is None:
        return math.inf, -math.inf
    low, high = position.price_min, position.price_max
    if position.cost is not None and position.realized is not None:
        moved, held = EXACT.subtract(position.realized, position.cost), position.signed_quantity
        worst, best = (EXACT.subtract(profit, moved) for profit in (position.mae, position.mfe))
        first, last = (worst, best) if held > 0 else (best, worst)
        low, high = max(low, _UP.divide(first, held)), min(high, _DOWN.divide(last, held))
    return _float_within(low, math.inf), _float_within(high, -math.inf)


def _float_within(bound: Decimal, inward: float) -> float:
    # A price that stays at an extreme is the common case, so the bound itself belongs to the band wherever a tick can
    # name it; a tick's price is the shortest decimal of its double.
    nearest = float(bound)
    named = Decimal(repr(nearest))
    is_outside = named < bound if inward > 0 else named > bound
    return math.nextafter(nearest, inward) if is_outside else nearest
