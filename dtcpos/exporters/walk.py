"""The fills of many keys in the order of time, each with what was held before it; and the lots they paired.

A key is followed in ledger order from a moment when it was flat. Memory does not grow with the ledger: a key takes part
only while it has fills left, and holds no more than a part of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from heapq import heappop, heappush
from typing import NamedTuple, TypeVar

from attrs import frozen

from dtcpos.booking import arranged, whole_second
from dtcpos.booking.pairing import Inventory, Method, Pair, pair_up
from dtcpos.booking.pricing import priced
from dtcpos.exact import EXACT
from dtcpos.model import ZERO, Fill, Instrument, PositionKey
from dtcpos.store import Selection
from dtcpos.store.exporting import ExportReader

_Item = TypeVar("_Item")

_SECOND = timedelta(seconds=1)
_BEGINNING = datetime.min.replace(tzinfo=UTC)
# The stored time of a fill and that of a better source differ by a zone at most, where a log was read in a wrong one.
_APART_MAX = timedelta(days=2)


@frozen(kw_only=True)
class Execution:
    """A fill at its display price, with its mode, what is known of its symbol, and what was held before it."""

    fill: Fill
    mode: str
    held: Decimal
    instrument: Instrument | None


class NewFills(NamedTuple):
    """The fills booked after a row of the ledger, without the rows that only correct what was exported before."""

    after_id: int
    passed_over: Container[int] = frozenset()

    def __contains__(self, fill_id: object) -> bool:
        return isinstance(fill_id, int) and fill_id > self.after_id and fill_id not in self.passed_over


class _Start(NamedTuple):
    """A key to follow, from when on its fills are wanted (None: from its first), and when they may begin."""

    key: PositionKey
    since: datetime | None
    begins: datetime


def executions(reader: ExportReader, selection: Selection, new: NewFills | None = None) -> Iterator[Execution]:
    """Yield the current fills selected, by second, then account and symbol, then ledger order.

    With `new` only those of them that are new.
    """
    instruments = reader.instruments()
    starts = _starts(reader, selection, new.after_id if new is not None else None)

    def of_key(start: _Start) -> Iterator[tuple[datetime, Execution]]:
        instrument = instruments.get(start.key.symbol)
        for held, fill in _fills_of(reader, start):
            if _is_within(fill.time, selection) and (new is None or fill.id in new):
                execution = Execution(
                    fill=priced(fill, instrument), mode=start.key.mode, held=held, instrument=instrument
                )
                yield whole_second(fill.time), execution

    return _merged(starts, of_key)


def lots(reader: ExportReader, selection: Selection, method: Method) -> Iterator[tuple[PositionKey, Pair]]:
    """Yield the lots that went out within the selection's time, paired with those they came in with, by exit."""
    instruments = reader.instruments()

    def of_key(start: _Start) -> Iterator[tuple[datetime, tuple[PositionKey, Pair]]]:
        inventory, instrument = Inventory(method=method), instruments.get(start.key.symbol)
        for _, fill in _fills_of(reader, start):
            pairing = pair_up(inventory, [priced(fill, instrument)])
            inventory = pairing.after
            for pair in pairing.pairs:
                if _is_within(pair.exit_time, selection):
                    yield whole_second(pair.exit_time), (start.key, pair)

    return _merged(_starts(reader, selection, None), of_key)


def _starts(reader: ExportReader, selection: Selection, after_id: int | None) -> list[_Start]:
    modes = {account.account: account.mode for account in reader.accounts()}
    if after_id is None:
        keys = [(account, symbol, selection.since) for account, symbol in reader.keys()]  # noqa: SIM118 - no mapping
    else:
        # New fills of one second may stand in any order, and refined they may lie a zone earlier.
        keys = [(account, symbol, time - _APART_MAX) for account, symbol, time in reader.keys_after(after_id)]
    starts = []
    for account, symbol, since in keys:
        key = PositionKey(modes.get(account, ""), account, symbol)
        if _is_selected(key, selection):
            flat = reader.flat_point_before(account, symbol, since) if since is not None else None
            begins = (flat or reader.first_time_of_key(account, symbol)) - _APART_MAX
            starts.append(_Start(key, flat, begins))
    return sorted(starts, key=lambda start: start.begins)


def _is_selected(key: PositionKey, selection: Selection) -> bool:
    return (
        (selection.modes is None or key.mode in selection.modes)
        and selection.account in (None, key.account)
        and selection.symbol in (None, key.symbol)
    )


def _is_within(moment: datetime, selection: Selection) -> bool:
    return (selection.since is None or moment >= selection.since) and (
        selection.until is None or moment < selection.until
    )


def _fills_of(reader: ExportReader, start: _Start) -> Iterator[tuple[Decimal, Fill]]:
    """Yield the fills of a key after a second at whose end it was flat, each with what was held before it."""
    held = ZERO
    first = _BEGINNING if start.since is None else start.since + _SECOND
    for part in reader.fills_within(start.key.account, start.key.symbol, first, None):
        for fill in arranged(part, held):
            yield held, fill
            held = EXACT.add(held, fill.signed_quantity)


def _merged(starts: Iterable[_Start], of_key: Callable[[_Start], Iterator[tuple[datetime, _Item]]]) -> Iterator[_Item]:
    """Yield what the keys yield by second; a key is begun no sooner than it may have something."""
    waiting = deque(starts)
    heads: list[tuple[datetime, PositionKey, _Item, Iterator[tuple[datetime, _Item]]]] = []
    while waiting or heads:
        while waiting and (not heads or waiting[0].begins <= heads[0][0]):
            start = waiting.popleft()
            _push(heads, start.key, of_key(start))
        if heads:
            _, key, item, rest = heappop(heads)
            yield item
            _push(heads, key, rest)


def _push(
    heads: list[tuple[datetime, PositionKey, _Item, Iterator[tuple[datetime, _Item]]]],
    key: PositionKey,
    rest: Iterator[tuple[datetime, _Item]],
) -> None:
    head = next(rest, None)
    if head is not None:
        # No two heads have the same key, so what follows it is never compared.
        heappush(heads, (head[0], key, head[1], rest))
