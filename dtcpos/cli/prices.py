"""Prices as people in each market write them: so many decimals, or fractions such as 118'01.

The server names the form (PriceDisplayFormat of a security definition, DTC header): 0 to 9 decimals, or 100 and the
denominator for fractions, where 134, 136 and 140 are halves, quarters and eighths of a 32nd. A price that does not lie
on that grid, an average most often, is written in decimals: rounding it would show a price that was never paid.
"""

from __future__ import annotations

from decimal import Decimal

from dtcpos.cli.jsonout import plain
from dtcpos.model import Instrument

# Denominator, how many parts each of its steps has, and how many digits the steps are written with.
_FRACTIONS = {
    102: (2, 1, 1),
    104: (4, 1, 1),
    108: (8, 1, 1),
    116: (16, 1, 2),
    132: (32, 1, 2),
    134: (32, 2, 2),
    136: (32, 4, 2),
    140: (32, 8, 2),
    164: (64, 1, 2),
    228: (128, 1, 3),
    356: (256, 1, 3),
}
_DECIMALS_MAX = 9
_PRICE_MAX = Decimal("1e15")


def price_text(price: Decimal | None, instrument: Instrument | None) -> str:
    """Write a display price in the form of its market, a dash where there is none."""
    if price is None:
        return "-"
    form = None if instrument is None else instrument.price_format
    if abs(price) >= _PRICE_MAX:
        # A multiplier can make it more than the arithmetic below keeps exact; nobody reads it as a price either.
        return plain(price)
    if form in _FRACTIONS:
        return _fraction(price, *_FRACTIONS[form]) or plain(price)
    if form is None or not 0 <= form <= _DECIMALS_MAX:
        return plain(price)
    shown = price.quantize(Decimal(1).scaleb(-form))
    return f"{shown:f}" if shown == price else plain(price)


def _fraction(price: Decimal, denominator: int, parts: int, digits: int) -> str:
    whole, rest = divmod(abs(price), 1)
    steps, part = divmod(rest * denominator * parts, parts)
    if part != part.to_integral_value():
        return ""
    # A part of a 32nd is written by the first digit of its decimal: a quarter is 2, a half 5, three quarters 7.
    tail = str(int(part * 10 / parts)) if parts > 1 else ""
    sign = "-" if price < 0 else ""
    return f"{sign}{int(whole)}'{int(steps):0{digits}d}{tail}"
