"""Two accounts of one position's excursions: what its own fills give at least, and what market prices have widened.

Only the fills are in the ledger, so a replay knows the least; a wider excursion is nobody's error and is kept.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

from dtcpos.model import ZERO, Position, Trade

_Held = TypeVar("_Held", Position, Trade)

# Each excursion with the sign that makes a wider one greater.
_SIGNS = {"price_min": -1, "price_max": 1, "mae": -1, "mfe": 1}


def too_narrow(stored: _Held, least: _Held) -> list[str]:
    """Return the names of the excursions that do not reach what `least` says, or are known where it knows none."""
    return [name for name in _SIGNS if _is_narrower(name, getattr(stored, name), getattr(least, name))]


def widest(stored: _Held, least: _Held) -> _Held:
    """Return `least` with the excursions of `stored` where those are wider."""
    narrow = too_narrow(stored, least)
    wider = {name: getattr(stored, name) for name in _SIGNS if name not in narrow}
    return least._replace(**wider)


def same_booking(left: Position, right: Position) -> bool:
    """Whether two positions are the same but for their excursions."""
    return _bare(left) == _bare(right)


def same_trade(left: Trade, right: Trade) -> bool:
    """Whether two trades are the same but for their excursions and the id the ledger gave them."""
    return _bare(left._replace(id=None)) == _bare(right._replace(id=None))


def _bare(held: _Held) -> _Held:
    return held._replace(price_min=None, price_max=None, mae=ZERO, mfe=ZERO)


def _is_narrower(name: str, stored: Decimal | None, least: Decimal | None) -> bool:
    if stored is None or least is None:
        # A position opened at an unknown price has no trade prices of its own; the market's may stand there.
        return stored is not least and (least is not None or not name.startswith("price"))
    return not stored.is_finite() or stored * _SIGNS[name] < least * _SIGNS[name]
