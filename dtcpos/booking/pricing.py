"""What a fill of the ledger comes to where it is booked: display prices, and the commission its instrument knows.

The ledger keeps what the wire said. The factor from a wire's price to the price people write, and a commission nobody
states with the execution, belong to the instrument and may be learned later; so they are put in here, each time the
fill is booked, and never into the ledger.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

from dtcpos.exact import EXACT
from dtcpos.model import Fill, Instrument

_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)
_WIRE_STEP = Decimal("1E-12")


def priced(fill: Fill, instrument: Instrument | None) -> Fill:
    """Return the fill in display prices, with the commission that is known for its symbol.

    A commission the fill states itself stays. Where nothing changes the same object comes back.
    """
    if instrument is None:
        return fill
    commission, price = fill.commission, fill.price
    if commission is None and instrument.commission is not None:
        commission = EXACT.multiply(instrument.commission, fill.quantity)
    if price is not None and instrument.multiplier != 1:
        price = EXACT.multiply(price, instrument.multiplier)
    if commission is fill.commission and price is fill.price:
        return fill
    return fill._replace(commission=commission, price=price)


def wire_price(display: Decimal | None, instrument: Instrument | None) -> Decimal | None:
    """Return the wire's price for one a person writes, rounded half-even to 12 decimals where it has no last digit."""
    if display is None or instrument is None or instrument.multiplier == 1:
        return display
    wire = _WIDE.divide(display, instrument.multiplier)
    return wire if EXACT.multiply(wire, instrument.multiplier) == display else wire.quantize(_WIRE_STEP, context=_WIDE)
