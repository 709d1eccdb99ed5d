"""Rebuild a key from its fills: the same fold that booked them one by one."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from dtcpos.booking.book import Booking, flat, fold
from dtcpos.booking.order import arranged
from dtcpos.model import ZERO, Fill, Position, PositionKey, Trade


@frozen(kw_only=True)
class Replay:
    """The result of a replay: every booking in ledger order, the trades closed, and what is held at the end."""

    bookings: tuple[Booking, ...]
    position: Position

    @property
    def trades(self) -> list[Trade]:
        """The trades the fills closed, in order."""
        return [booking.trade for booking in self.bookings if booking.trade is not None]


def replay(key: PositionKey, fills: Iterable[Fill]) -> Replay:
    """Book the fills of one key from flat, in ledger order, whatever order they are given in."""
    bookings = fold(flat(key), arranged(fills, ZERO))
    return Replay(bookings=tuple(bookings), position=bookings[-1].after if bookings else flat(key))
