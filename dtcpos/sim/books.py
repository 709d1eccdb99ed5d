"""The venue's own books: executions in the order of time, and the position they come to.

Pure. Average price is the average cost of what is open; closing never changes it, a flip starts at the fill's price.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from decimal import Decimal

from attrs import define, field, frozen

from dtcpos.model import ZERO, Side


@frozen(kw_only=True)
class Execution:
    """One execution as the venue remembers it.

    `cumulative` and `notional` are the order's filled quantity and its sum of quantity times price after it.
    """

    account: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    time_s: float
    ordinal: int
    execution_id: str
    history_id: str
    order_id: str
    order_quantity: Decimal
    cumulative: Decimal
    notional: Decimal
    position_after: Decimal | None = None

    @property
    def signed_quantity(self) -> Decimal:
        """Quantity, negative for a sale."""
        return self.quantity if self.side is Side.BUY else -self.quantity


@frozen(kw_only=True)
class Restatement:
    """From here on the position is this, whatever was before."""

    signed_quantity: Decimal
    average_price: Decimal
    time_s: float
    ordinal: int


Entry = Execution | Restatement


def _place(entry: Entry) -> tuple[float, int]:
    return entry.time_s, entry.ordinal


@define
class Holding:
    """Position of one account in one symbol, and the entries it follows from."""

    entries: list[Entry] = field(factory=list)
    signed_quantity: Decimal = ZERO
    cost: Decimal = ZERO
    opened_at_s: float = 0.0
    high: Decimal | None = None
    low: Decimal | None = None

    @property
    def average_price(self) -> Decimal:
        """Average cost of what is open, 0 when flat."""
        return self.cost / self.signed_quantity if self.signed_quantity else ZERO

    def add(self, entry: Entry) -> None:
        """Put an entry in its place; one that arrives late is booked as if it had been in time."""
        is_last = not self.entries or _place(entry) >= _place(self.entries[-1])
        insort(self.entries, entry, key=_place)
        if is_last:
            self._take(entry)
        else:
            self._replay()

    def correct(self, old: Execution, new: Execution) -> None:
        """Exchange one execution for another."""
        self.entries.remove(old)
        insort(self.entries, new, key=_place)
        self._replay()

    def see(self, price: Decimal) -> None:
        """Widen the extremes of an open position by a price."""
        if self.signed_quantity:
            self.high = price if self.high is None else max(self.high, price)
            self.low = price if self.low is None else min(self.low, price)

    def executions(self) -> Iterator[tuple[Execution, Decimal]]:
        """Yield every execution with the position after it."""
        running = ZERO
        for entry in self.entries:
            if isinstance(entry, Restatement):
                running = entry.signed_quantity
            else:
                running += entry.signed_quantity
                yield entry, running

    def _replay(self) -> None:
        self.signed_quantity, self.cost = ZERO, ZERO
        self.high = self.low = None
        for entry in self.entries:
            self._take(entry)

    def _take(self, entry: Entry) -> None:
        before = self.signed_quantity
        if isinstance(entry, Restatement):
            self.signed_quantity = entry.signed_quantity
            self.cost = entry.signed_quantity * entry.average_price
            price = entry.average_price
        else:
            self.signed_quantity, self.cost = _booked(before, self.cost, entry.signed_quantity, entry.price)
            price = entry.price
        if before * self.signed_quantity <= 0:
            self.opened_at_s = entry.time_s
            self.high = self.low = None
        self.see(price)


def _booked(held: Decimal, cost: Decimal, change: Decimal, price: Decimal) -> tuple[Decimal, Decimal]:
    after = held + change
    if held * change >= 0:
        return after, cost + change * price
    if held * after <= 0:
        return after, after * price
    return after, cost * after / held
