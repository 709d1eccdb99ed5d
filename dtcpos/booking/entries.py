"""Fills that stand for no message: closing adjustments, and the lots carried in at first contact.

Their ids are hashes of what they stand for, so making one twice makes the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from dtcpos.booking.order import arranged
from dtcpos.exact import EXACT
from dtcpos.model import ZERO, Break, Fill, Position, ReportedPosition, Side, Source

_PRICE_DIGITS = 10
_SECOND = timedelta(seconds=1)


def synthetic_id(*parts: object) -> str:
    """Return an id that is a function of its parts."""
    text = "\x1f".join(str(part) for part in parts)
    return "adj-" + hashlib.sha256(text.encode()).hexdigest()[:20]


def close_out(position: Position, *, price: Decimal | None, time: datetime, reason: str) -> Fill:
    """Return the adjustment that closes all of `position`; without a price the trade's profit stays unknown."""
    assert not position.is_flat, position
    side = Side.SELL if position.signed_quantity > 0 else Side.BUY
    return Fill(
        account=position.key.account,
        symbol=position.key.symbol,
        side=side,
        quantity=abs(position.signed_quantity),
        price=price,
        time=time,
        time_is_exact=True,
        execution_id=synthetic_id("close", *position.key[1:], position.opened_by, position.fills, price),
        source=Source.ADJUSTMENT,
        reason=reason,
    )


def adopted(held: Position | None, found: Break, *, time: datetime) -> list[Fill]:
    """Return the adjustments that make what we hold what the server states.

    Lots we lack come in at the price that makes our average the server's; lots the server no longer has go out at a
    price nobody knows, so their profit is unknown. `held` is what we hold now, which may have changed since the break
    was found. Prices are display prices, as those of the break are.
    """
    ours = Decimal(0) if held is None else held.signed_quantity
    key, theirs = found.key, found.reported_quantity or Decimal(0)
    if ours == theirs:
        return []
    keeps_side = bool(ours) and bool(theirs) and (ours > 0) == (theirs > 0)
    steps: list[tuple[Decimal, Decimal | None]] = []
    if keeps_side and abs(theirs) > abs(ours):
        steps.append((EXACT.subtract(theirs, ours), _filling_price(held, found)))
    elif keeps_side:
        steps.append((EXACT.subtract(theirs, ours), None))
    else:
        if ours:
            steps.append((-ours, None))
        if theirs:
            steps.append((theirs, found.reported_average))
    return [
        Fill(
            account=key.account,
            symbol=key.symbol,
            side=Side.BUY if signed > 0 else Side.SELL,
            quantity=abs(signed),
            price=price,
            time=time + number * timedelta(microseconds=1),
            time_is_exact=True,
            execution_id=synthetic_id("adopted", *key[1:], ours, theirs, found.found_at, number),
            source=Source.ADJUSTMENT,
            flags=("adopted",),
            reason=f"adopted from the server, which states {theirs:f} lots",
        )
        for number, (signed, price) in enumerate(steps)
        if signed
    ]


def _filling_price(held: Position | None, found: Break) -> Decimal | None:
    if held is None or held.cost is None or found.reported_average is None or found.reported_quantity is None:
        return None
    whole = Fraction(found.reported_average) * Fraction(found.reported_quantity)
    price = (whole - Fraction(held.cost)) / (Fraction(found.reported_quantity) - Fraction(held.signed_quantity))
    return _rounded(price)


def carried_in(reported: ReportedPosition, fills: Sequence[Fill], *, now: datetime) -> Fill | None:
    """Return the lots that must have been open before the first known fill, None if the fills explain everything.

    `fills` are all fills known of the account and symbol. The price is the one that makes our average equal the
    server's; where the position was flat or changed sides inside the window it cannot be known, and is None.
    """
    known = ZERO
    for fill in fills:
        known = EXACT.add(known, fill.signed_quantity)
    quantity = EXACT.subtract(reported.signed_quantity, known)
    if not quantity:
        return None
    # In the order they have when these lots come first: stated positions may chain otherwise from nothing.
    ordered = list(arranged(fills, quantity))
    # One second before the first fill, so that the order of the ledger puts it first whatever else is known.
    time = ordered[0].time.replace(microsecond=0) - _SECOND if ordered else now
    if reported.entry_time is not None:
        time = min(time, reported.entry_time)
    return Fill(
        account=reported.account,
        symbol=reported.symbol,
        side=Side.BUY if quantity > 0 else Side.SELL,
        quantity=abs(quantity),
        price=_carried_price(reported, quantity, ordered),
        time=time,
        execution_id=synthetic_id("carried", reported.account, reported.symbol, quantity, reported.average_price),
        source=Source.ADJUSTMENT,
        flags=("carried",),
        reason=f"carried in at first contact: the server holds {reported.signed_quantity:f} lots",
    )


def _carried_price(reported: ReportedPosition, quantity: Decimal, fills: Iterable[Fill]) -> Decimal | None:
    # Cost is linear in the unknown price x as long as the position is never flat: cost = fixed + slope * x.
    if reported.average_price is None or not reported.signed_quantity:
        return None
    held, fixed, slope = Fraction(quantity), Fraction(0), Fraction(quantity)
    for fill in fills:
        signed = Fraction(fill.signed_quantity)
        after = held + signed
        if fill.price is None or not after or (after > 0) != (held > 0):
            return None
        if (signed > 0) == (held > 0):
            fixed += signed * Fraction(fill.price)
        else:
            fixed, slope = fixed * after / held, slope * after / held
        held = after
    return _rounded((Fraction(reported.average_price) * held - fixed) / slope)


def _rounded(price: Fraction) -> Decimal:
    rounded = round(price, _PRICE_DIGITS)
    return EXACT.divide(Decimal(rounded.numerator), Decimal(rounded.denominator))
