"""Exact arithmetic, and the figures of an open position that need no more than that."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dtcpos.model import Position

# Sums and products of what the door admits (17 significant digits between 1e15 and 1e-30) need fewer than 200 digits;
# anything longer is a mistake of ours and must not be rounded away in silence.
EXACT = Context(prec=200, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
_WIDE = EXACT.copy()
_WIDE.clear_traps()
_TEN_DECIMALS = Decimal("1E-10")
_WHOLE_DIGITS_MAX = _DECIMALS_MAX = 15


def is_plain(number: Decimal) -> bool:
    """Whether what a person wrote is a number of at most 15 digits before the dot and 15 behind it.

    That is what the door of the wire admits too. An exponent makes gigabytes of digits of a word of ten characters.
    """
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_DECIMALS_MAX:
        return False
    return exponent <= _WHOLE_DIGITS_MAX and number.adjusted() < _WHOLE_DIGITS_MAX


def average_price(position: Position) -> Decimal | None:
    """Return cost divided by quantity, rounded half-even to 10 decimals; None where flat or unknown."""
    if position.cost is None or position.is_flat:
        return None
    return rounded_quotient(position.cost, position.signed_quantity)


def rounded_quotient(numerator: Decimal, denominator: Decimal) -> Decimal:
    """Divide and round half-even to 10 decimals, with no trailing zeros."""
    quotient = _WIDE.divide(numerator, denominator).quantize(_TEN_DECIMALS, context=_WIDE)
    # A short at 0 is held at 0, not at the -0 that the division makes of it.
    return _WIDE.plus(quotient.normalize(_WIDE))


def unrealized(position: Position, price: Decimal) -> Decimal | None:
    """Return the points still open at `price`, None where the cost is unknown."""
    if position.cost is None:
        return None
    return EXACT.subtract(EXACT.multiply(position.signed_quantity, price), position.cost)
