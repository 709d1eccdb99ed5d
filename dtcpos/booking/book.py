"""What one fill does to one position: pure, exact, in points.

Invariants, kept after every fill whose prices are known:
1. `realized - cost` equals the points of cash that have moved since the position was opened, with `==`.
2. A position whose quantity is zero has cost zero: the last lot out takes whatever cost is left.
3. `total opened - total closed` equals the quantity held.

Only the split of cost between lots that leave and lots that stay may need rounding (a third of a tick has no last
digit). It is rounded once, to 18 decimals, and the same figure is taken from `cost` and added to `realized`, so
nothing drifts.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import NamedTuple

from dtcpos.exact import EXACT
from dtcpos.model import ZERO, Action, Fill, Position, PositionKey, Side, Trade

_DIVIDE = Context(prec=200, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])
_COST_STEP = Decimal("1E-18")
_COMMISSION_STEP = Decimal("1E-9")
_NO_COMMISSION = "commission_unknown"

# A named tuple's own constructor is a Python function: 0.4 µs against 0.15, twice for every fill.
_make = tuple.__new__
_add = EXACT.add
_subtract = EXACT.subtract
_multiply = EXACT.multiply


# price_min, price_max, mae, mfe
Extremes = tuple[Decimal | None, Decimal | None, Decimal, Decimal]


class Booking(NamedTuple):
    """One fill booked: the position before and after, what it did, and the trade it closed, if it closed one."""

    fill: Fill
    before: Position
    after: Position
    action: Action
    trade: Trade | None = None


def flat(key: PositionKey) -> Position:
    """Return the position of a key that holds nothing."""
    return Position(key=key)


def classify(held: Decimal, signed: Decimal) -> Action:
    """Name what a fill of `signed` lots does to `held` lots (both signed)."""
    if not held:
        return Action.OPENED
    if (held > 0) == (signed > 0):
        return Action.INCREASED
    after = held + signed
    if not after:
        return Action.CLOSED
    return Action.REDUCED if (after > 0) == (held > 0) else Action.REVERSED


def book(position: Position, fill: Fill) -> Booking:
    """Apply one fill to the position it belongs to.

    Pure. At every step `realized - cost` equals the points of cash that have moved, exactly. A fill through zero
    closes one trade and opens one position; its commission is split by quantity, the closing share rounded half-even
    to 9 decimals and the rest left to the new position.
    """
    key = position.key
    assert fill.account == key.account, (fill, key)
    assert fill.symbol == key.symbol, (fill, key)
    assert fill.quantity > 0, fill

    signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
    action = classify(position.signed_quantity, signed)
    if action is Action.OPENED or action is Action.INCREASED:
        after = _opened(position, fill, fill.quantity, fill.commission)
        return _make(Booking, (fill, position, after, action, None))
    if action is Action.REDUCED:
        after = _closed(position, fill, fill.quantity, fill.commission)
        return _make(Booking, (fill, position, after, action, None))

    held = abs(position.signed_quantity)
    share, rest = split_commission(fill.commission, held, fill.quantity)
    closed = _closed(position, fill, held, share)
    after = flat(key)
    if action is Action.REVERSED:
        after = _opened(after, fill, _subtract(fill.quantity, held), rest)
    return _make(Booking, (fill, position, after, action, _trade(closed, position, fill)))


def split_commission(
    commission: Decimal | None, closing: Decimal, quantity: Decimal
) -> tuple[Decimal | None, Decimal | None]:
    """Split a fill's commission into the share of its closing lots and the rest; the two add up exactly."""
    if commission is None:
        return None, None
    if closing == quantity:
        return commission, ZERO
    share = _DIVIDE.divide(_multiply(commission, closing), quantity).quantize(_COMMISSION_STEP, context=_DIVIDE)
    return share, _subtract(commission, share)


def fold(position: Position, fills: Iterable[Fill]) -> list[Booking]:
    """Book fills, already in ledger order, one after another."""
    bookings = []
    for fill in fills:
        booking = book(position, fill)
        bookings.append(booking)
        position = booking.after
    return bookings


def _sum(left: Decimal | None, right: Decimal | None) -> Decimal | None:
    return None if left is None or right is None else _add(left, right)


def _difference(left: Decimal | None, right: Decimal | None) -> Decimal | None:
    return None if left is None or right is None else _subtract(left, right)


def _flags(flags: tuple[str, ...], fill: Fill, unknown: str) -> tuple[str, ...]:
    if fill.flags or fill.price is None:
        flags = tuple(sorted({*flags, *fill.flags, *((unknown,) if fill.price is None else ())}))
    if fill.commission is None and _NO_COMMISSION not in flags:
        flags = tuple(sorted((*flags, _NO_COMMISSION)))
    return flags


def _opened(position: Position, fill: Fill, quantity: Decimal, commission: Decimal | None) -> Position:
    # Taken apart at once, here and below: asking for each by its name takes twice as long.
    (
        key, held, cost, realized, opened, opened_notional, closed_notional, peak, paid, fills, opened_by, entry_time,
        _, low, high, mae, mfe, flags,
    ) = position  # fmt: skip
    price, time = fill.price, fill.time
    notional = None if price is None else _multiply(quantity, price)
    if not held:
        opened_by, entry_time = fill.id, time
    if fill.side is Side.BUY:
        held, cost = _add(held, quantity), _sum(cost, notional)
    else:
        held, cost = _subtract(held, quantity), _difference(cost, notional)
    size = abs(held)
    low, high, mae, mfe = _widened(low, high, mae, mfe, price, _profit(price, held, cost, realized))
    return _make(
        Position,
        (
            key,
            held,
            cost,
            realized,
            _add(opened, quantity),
            _sum(opened_notional, notional),
            closed_notional,
            size if size > peak else peak,
            _sum(paid, commission),
            fills + 1,
            opened_by,
            entry_time,
            time,
            low,
            high,
            mae,
            mfe,
            _flags(flags, fill, "entry_unknown"),
        ),
    )


def _closed(position: Position, fill: Fill, quantity: Decimal, commission: Decimal | None) -> Position:
    (
        key, held, cost, realized, opened, opened_notional, closed_notional, peak, paid, fills, opened_by, entry_time,
        _, low, high, mae, mfe, flags,
    ) = position  # fmt: skip
    price = fill.price
    released = released_cost(cost, quantity, abs(held))
    notional = None if price is None else _multiply(quantity, price)
    realized = _realized(held, realized, released, notional)
    held = _subtract(held, quantity) if held > 0 else _add(held, quantity)
    cost = _difference(cost, released)
    low, high, mae, mfe = _widened(low, high, mae, mfe, price, _profit(price, held, cost, realized))
    return _make(
        Position,
        (
            key,
            held,
            cost,
            realized,
            opened,
            opened_notional,
            _sum(closed_notional, notional),
            peak,
            _sum(paid, commission),
            fills + 1,
            opened_by,
            entry_time,
            fill.time,
            low,
            high,
            mae,
            mfe,
            _flags(flags, fill, "exit_unknown"),
        ),
    )


def _realized(
    held: Decimal, realized: Decimal | None, released: Decimal | None, notional: Decimal | None
) -> Decimal | None:
    if realized is None or released is None or notional is None:
        return None
    return _add(realized, _subtract(notional if held > 0 else -notional, released))


def _profit(price: Decimal | None, held: Decimal, cost: Decimal | None, realized: Decimal | None) -> Decimal | None:
    """Return what a position has earned and would earn at a price, None where that is not known."""
    if price is None or cost is None or realized is None:
        return None
    return _add(_subtract(realized, cost), _multiply(held, price))


def extremes(
    position: Position, price: Decimal | None, quantity: Decimal, cost: Decimal | None, realized: Decimal | None
) -> Extremes:
    """Return price_min, price_max, mae and mfe after a trade at `price` met `quantity` lots (signed) of that cost."""
    seen = position.price_min, position.price_max, position.mae, position.mfe
    return _widened(*seen, price, _profit(price, quantity, cost, realized))


def _widened(
    low: Decimal | None, high: Decimal | None, mae: Decimal, mfe: Decimal, price: Decimal | None, profit: Decimal | None
) -> Extremes:
    if price is not None:
        low = price if low is None or price < low else low
        high = price if high is None or price > high else high
    if profit is not None:
        # Not `min` and `max`, which take four times as long.
        if profit < mae:
            mae = profit
        elif profit > mfe:
            mfe = profit
    return low, high, mae, mfe


def released_cost(cost: Decimal | None, quantity: Decimal, held: Decimal) -> Decimal | None:
    """Return the part of `cost` that `quantity` of `held` lots take with them, exactly all of it for the last lot."""
    if cost is None or quantity == held:
        return cost
    return _DIVIDE.divide(_multiply(cost, quantity), held).quantize(_COST_STEP, context=_DIVIDE)


def _trade(closed: Position, before: Position, fill: Fill) -> Trade:
    assert closed.is_flat, closed
    assert before.entry_time is not None, before
    is_known = closed.realized is not None
    return Trade(
        key=closed.key,
        direction=before.direction,
        quantity=closed.peak_quantity,
        total_quantity=closed.opened_quantity,
        entry_time=before.entry_time,
        # Within a second the order of the ledger may know more than a time that is only the whole second.
        exit_time=max(fill.time, before.entry_time),
        opened_notional=closed.opened_notional,
        closed_notional=closed.closed_notional,
        realized=closed.realized,
        commission=closed.commission,
        price_min=closed.price_min,
        price_max=closed.price_max,
        mae=closed.mae if is_known else None,
        mfe=closed.mfe if is_known else None,
        fills=closed.fills,
        opened_by=before.opened_by,
        closed_by=fill.id,
        flags=closed.flags,
    )


# What is made without its constructor is not counted by it: a field added to the noun and not here would be lost.
assert len(Position._fields) == 18
assert len(Booking._fields) == 5
