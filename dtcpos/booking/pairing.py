"""Pair what closes with what opened, first in first out, last in first out, or at the average: pure, exact, in points.

The position and its trade are always flat to flat; pairing is another way to say which lots an exit took. Only fills
whose position is held in between are affected, because a position that is flat has paired everything.

Invariants, for every method:
1. Between two flat points the points of the pairs add up to the points of the trade, their commissions to its
   commission.
2. At all times `realized + unrealized` is the same, with `==`: the lots still open have the cost the pairs left.
3. With AVERAGE the points realized are those the position's booking realizes, exit by exit.

A price nobody knows makes the points of the pairs that need it unknown, and of no other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from attrs import evolve, frozen

from dtcpos.booking.book import released_cost, split_commission
from dtcpos.exact import EXACT
from dtcpos.model import ZERO, Direction, Fill, Side

_add = EXACT.add
_subtract = EXACT.subtract
_multiply = EXACT.multiply


class Method(StrEnum):
    """Which of the open lots an exit takes."""

    FIFO = "fifo"
    LIFO = "lifo"
    AVERAGE = "average"


@frozen(kw_only=True)
class Lot:
    """Lots still open that came in together: `cost` is signed like the quantity, None where a price is unknown."""

    signed_quantity: Decimal
    cost: Decimal | None
    commission: Decimal | None
    time: datetime


@frozen(kw_only=True)
class Inventory:
    """The lots open under one key, oldest first, and the fill that opened the position they are of."""

    method: Method
    lots: tuple[Lot, ...] = ()
    opened_by: int | None = None

    @property
    def signed_quantity(self) -> Decimal:
        """What is held."""
        return _total(lot.signed_quantity for lot in self.lots)

    @property
    def cost(self) -> Decimal | None:
        """The cost of what is held, None where a price of it is unknown."""
        costs = [lot.cost for lot in self.lots if lot.cost is not None]
        return _total(costs) if len(costs) == len(self.lots) else None


@frozen(kw_only=True)
class Pair:
    """Lots that came in and went out again.

    `opened_by` is the fill that opened the position, flat to flat, they were part of, `closed_by` the one they went out
    with. `entry_notional` and `exit_notional` are quantity times price, `points` what they earned; None where a price
    is unknown. `commission` is their share of both fills' commissions.
    """

    opened_by: int | None
    closed_by: int | None
    direction: Direction
    quantity: Decimal
    entry_time: datetime
    exit_time: datetime
    entry_notional: Decimal | None
    exit_notional: Decimal | None
    points: Decimal | None
    commission: Decimal | None


@frozen(kw_only=True)
class Pairing:
    """The pairs some fills made, in the order they were closed, and what is open after them."""

    pairs: tuple[Pair, ...]
    after: Inventory


def pair_up(before: Inventory, fills: Iterable[Fill]) -> Pairing:
    """Pair the fills of one key, in ledger order, with what is open before them and with one another.

    One exit makes a pair for each lot it takes from. A fill through zero closes everything and opens the rest; its
    commission is split as in booking.
    """
    lots = deque(before.lots)
    opened_by = before.opened_by
    pairs: list[Pair] = []
    for fill in fills:
        rest, commission = fill.quantity, fill.commission
        is_closing = bool(lots) and (lots[0].signed_quantity > 0) != (fill.side is Side.BUY)
        if is_closing:
            closing = min(rest, abs(_total(lot.signed_quantity for lot in lots)))
            share, commission = split_commission(fill.commission, closing, rest)
            pairs += _close(lots, before.method, fill, closing, share, opened_by)
            rest = _subtract(rest, closing)
        if rest:
            if not lots:
                opened_by = fill.id
            _open(lots, before.method, fill, rest, commission)
    after = Inventory(method=before.method, lots=tuple(lots), opened_by=opened_by if lots else None)
    return Pairing(pairs=tuple(pairs), after=after)


def open_points(inventory: Inventory, price: Decimal) -> Decimal | None:
    """Return the points still open at `price`, None where a cost is unknown."""
    cost = inventory.cost
    return None if cost is None else _subtract(_multiply(inventory.signed_quantity, price), cost)


def _open(lots: deque[Lot], method: Method, fill: Fill, quantity: Decimal, commission: Decimal | None) -> None:
    signed = quantity if fill.side is Side.BUY else -quantity
    cost = None if fill.price is None else _multiply(signed, fill.price)
    lot = Lot(signed_quantity=signed, cost=cost, commission=commission, time=fill.time)
    if method is Method.AVERAGE and lots:
        held = lots.pop()
        lot = evolve(
            held,
            signed_quantity=_add(held.signed_quantity, signed),
            cost=_sum(held.cost, cost),
            commission=_sum(held.commission, commission),
        )
    lots.append(lot)


def _close(
    lots: deque[Lot], method: Method, fill: Fill, closing: Decimal, commission: Decimal | None, opened_by: int | None
) -> list[Pair]:
    pairs: list[Pair] = []
    while closing:
        lot = lots.pop() if method is Method.LIFO else lots.popleft()
        taken = min(closing, abs(lot.signed_quantity))
        share, commission = split_commission(commission, taken, closing)
        closing = _subtract(closing, taken)
        pair, kept = _take(lot, fill, taken, share, opened_by)
        pairs.append(pair)
        if kept is not None and method is Method.LIFO:
            lots.append(kept)
        elif kept is not None:
            lots.appendleft(kept)
    return pairs


def _take(
    lot: Lot, fill: Fill, taken: Decimal, commission: Decimal | None, opened_by: int | None
) -> tuple[Pair, Lot | None]:
    """Return the pair of `taken` lots of `lot` that go out with the fill, and what stays of the lot."""
    is_long, held = lot.signed_quantity > 0, abs(lot.signed_quantity)
    cost = released_cost(lot.cost, taken, held)
    entry_commission, kept_commission = split_commission(lot.commission, taken, held)
    proceeds = None if fill.price is None else _multiply(taken if is_long else -taken, fill.price)
    pair = Pair(
        opened_by=opened_by,
        closed_by=fill.id,
        direction=Direction.LONG if is_long else Direction.SHORT,
        quantity=taken,
        entry_time=lot.time,
        exit_time=fill.time,
        entry_notional=_unsigned(cost, is_long=is_long),
        exit_notional=_unsigned(proceeds, is_long=is_long),
        points=None if cost is None or proceeds is None else _subtract(proceeds, cost),
        commission=_sum(entry_commission, commission),
    )
    if taken == held:
        return pair, None
    stays = _subtract(held, taken)
    kept = Lot(
        signed_quantity=stays if is_long else -stays,
        cost=None if lot.cost is None or cost is None else _subtract(lot.cost, cost),
        commission=kept_commission,
        time=lot.time,
    )
    return pair, kept


def _unsigned(amount: Decimal | None, *, is_long: bool) -> Decimal | None:
    return amount if amount is None or is_long else -amount


def _sum(left: Decimal | None, right: Decimal | None) -> Decimal | None:
    return None if left is None or right is None else _add(left, right)


def _total(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = _add(total, amount)
    return total
