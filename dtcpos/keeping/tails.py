"""The latest second of every key: whether new fills follow what is booked, or one of them belongs earlier.

The ledger is ordered by whole second, so a fill of a later second follows; within the last one the fills known and the
new ones are put in order together, and follow if the known ones keep their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import takewhile
from operator import attrgetter
from typing import NamedTuple

from dtcpos.booking import arranged, whole_second, within_second
from dtcpos.exact import EXACT
from dtcpos.model import Fill
from dtcpos.store import PositionRepository

_SECOND = timedelta(seconds=1)
_TIME = attrgetter("time")


class Tail(NamedTuple):
    """The fills of a key's latest second, in ledger order.

    `until` is where the next second begins. `is_by_time` says that a later exact time is enough to follow: all times
    exact and no chain of stated positions.
    """

    second: datetime
    until: datetime
    fills: tuple[Fill, ...]
    is_by_time: bool


class Tails:
    """The tails of all keys, each read from the ledger when first asked for."""

    def __init__(self, repository: PositionRepository) -> None:
        self._repository = repository
        self._tails: dict[tuple[str, str], Tail | None] = {}

    def of(self, account: str, symbol: str, *, held: Decimal) -> Tail | None:
        """Return the tail of a key of which so many lots (signed) are held after it, None where nothing is booked."""
        if (account, symbol) not in self._tails:
            fills = self._repository.latest_second_of_key(account, symbol)
            self._tails[account, symbol] = _extended(None, within_second(fills, _before(fills, held)))
        return self._tails[account, symbol]

    def replace(self, account: str, symbol: str, ordered: Sequence[Fill]) -> None:
        """Remember the latest second of a key, `ordered` being the last of its fills in ledger order.

        Without any, what was booked last was taken out and the second before it is read when it is asked for.
        """
        self._tails.pop((account, symbol), None)
        if ordered:
            self._tails[account, symbol] = _extended(None, ordered)

    def extend(self, account: str, symbol: str, ordered: Sequence[Fill]) -> None:
        """Take fills that follow, in ledger order."""
        self._tails[account, symbol] = _extended(self._tails.get((account, symbol)), ordered)

    def following(self, account: str, symbol: str, fills: list[Fill], *, held: Decimal) -> list[Fill] | None:
        """Return new fills in ledger order if all of them follow what is booked, None if one belongs earlier."""
        tail = self.of(account, symbol, held=held)
        ordered = sorted(fills, key=_TIME)
        first = ordered[0].time
        if tail is None or first >= tail.until:
            return list(arranged(fills, held))
        if first < tail.second:
            return None
        if tail.is_by_time and first > tail.fills[-1].time and _are_by_time(fills):
            return list(arranged(fills, held))
        same = [fill for fill in ordered if fill.time < tail.until]
        held = _before(tail.fills, held)
        within = within_second([*tail.fills, *same], held)
        if [fill.id for fill in within[: len(tail.fills)]] != [fill.id for fill in tail.fills]:
            return None
        for fill in within:
            held = EXACT.add(held, fill.signed_quantity)
        return within[len(tail.fills) :] + list(arranged(ordered[len(same) :], held))


def _before(fills: Sequence[Fill], held: Decimal) -> Decimal:
    """Return what was held before fills after which so many lots are held."""
    for fill in fills:
        held = EXACT.subtract(held, fill.signed_quantity)
    return held


def _extended(tail: Tail | None, ordered: Sequence[Fill]) -> Tail | None:
    """Return the latest second of a key after the fills that follow its tail, in ledger order."""
    if not ordered:
        return tail
    last = ordered[-1].time
    if tail is not None and tail.second <= last < tail.until:
        # What follows a tail and ends in its second is all of that second.
        return Tail(tail.second, tail.until, (*tail.fills, *ordered), tail.is_by_time and _are_by_time(ordered))
    second = whole_second(last)
    latest = tuple(takewhile(lambda fill: fill.time >= second, reversed(ordered)))[::-1]
    return Tail(second, second + _SECOND, latest, _are_by_time(latest))


def _are_by_time(fills: Sequence[Fill]) -> bool:
    return all(fill.time_is_exact and fill.position_after is None for fill in fills)
