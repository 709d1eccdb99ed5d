"""The domain's notation for tests: `+2 @ 5050.25` is a fill, a number of seconds a time on the test's morning."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from dtcpos.model import Fill, PositionKey, Side, Source

KEY = PositionKey("SIM", "Sim1", "MESZ26-CME")
MORNING = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
_FILL = re.compile(r"([+-])\s*([\d.]+)(?:\s*@\s*(-?[\d.]+|\?))?")
_ids = count(1)


def at(seconds: float) -> datetime:
    """Return a time on the test's morning."""
    return MORNING + timedelta(seconds=seconds)


def fill(text: str, second: float = 0, **known: object) -> Fill:
    """Return the fill written as `+2 @ 5050.25`; a price of `?` is unknown."""
    match = _FILL.fullmatch(text.strip())
    assert match is not None, text
    sign, quantity, price = match.groups()
    number = next(_ids)
    facts: dict[str, object] = {
        "account": KEY.account,
        "symbol": KEY.symbol,
        "side": Side.BUY if sign == "+" else Side.SELL,
        "quantity": Decimal(quantity),
        "price": None if price == "?" else Decimal(price),
        "time": at(second),
        "time_is_exact": True,
        "execution_id": f"E-{number}",
        "order_id": "1001",
        "source": Source.LIVE,
        "id": number,
    }
    return Fill(**facts | known)  # type: ignore[arg-type]


def fills(text: str) -> list[Fill]:
    """Return fills written one after the other, a second apart: `+1 @ 5000, -1 @ 5010`."""
    return [fill(part, second) for second, part in enumerate(text.split(","))]
