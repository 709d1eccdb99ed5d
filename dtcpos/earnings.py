"""Walk a ledger once and add up what was earned: exits on the day they happened, trades when they are flat again.

Most trades are one exit, and what they realized is stored with them. Only a trade with several exits that are to be
told apart (they lie on different days, or lots are paired) has its fills read again, as has an open position that was
reduced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import localcontext
from heapq import merge
from itertools import chain

from attrs import frozen

from dtcpos.booking import arranged, unrealized, whole_second
from dtcpos.booking.book import EXACT
from dtcpos.booking.pairing import Inventory, Method, Pair, open_points, pair_up
from dtcpos.booking.pricing import priced
from dtcpos.model import Fill, Instrument
from dtcpos.settings import TradingDay
from dtcpos.stats import Block, KeyTally, Tally
from dtcpos.store import Holding, Selection
from dtcpos.store.exits import Closed, ExitReader

_SECOND = timedelta(seconds=1)


def performance(
    reader: ExitReader,
    selection: Selection,
    *,
    trading_day: TradingDay,
    method: Method | None = None,
    with_total: bool = False,
    with_open: bool = True,
) -> list[Block]:
    """Return what was earned in the selection's time, a block for each mode and unit.

    Without a `method` a trade is flat to flat. With one every pair of lots is a trade, judged when the position it was
    part of is flat, in the order of exits. `with_total` adds blocks of all modes together, `with_open` counts what is
    open now.
    """
    with localcontext(EXACT), reader.held_still():
        instruments = reader.instruments()
        tally = Tally(trading_day, instruments, with_total=with_total)
        walk = _Walk(reader, selection, tally, instruments, method)
        modes = reader.modes(selection)
        streams = [reader.closed(selection, mode) for mode in modes]
        # A total needs the trades of all modes in one order; without one, one mode after another is quicker.
        walk.add_closed(merge(*streams, key=_by_exit) if with_total else chain.from_iterable(streams))
        for mode in modes:
            walk.add_closed_later(reader.closed_later(selection, mode))
        for holding in reader.positions(selection):
            walk.add_open(holding)
        return tally.blocks(with_open=with_open)


def _by_exit(trade: Closed) -> datetime:
    return trade.exit_time


class _Walk:
    def __init__(
        self,
        reader: ExitReader,
        selection: Selection,
        tally: Tally,
        instruments: Mapping[str, Instrument],
        method: Method | None,
    ) -> None:
        self._tally = tally
        self._since, self._until = selection.since, selection.until
        self._is_paired = method is not None
        self._stretches = _Stretches(reader, instruments, method or Method.AVERAGE)

    def add_closed(self, trades: Iterable[Closed]) -> None:
        """Add trades that ended within the time looked at, by exit."""
        tally, is_paired = self._tally, self._is_paired
        for trade in trades:
            mode, account, symbol, entered, exited, points, commission, mae, mfe, fills, _, risk = trade
            found = tally.of(mode, account, symbol)
            if not is_paired:
                excursions = None if mae is None or mfe is None else (mae, mfe)
                tally.add_trade(found, entered, exited, points, commission, excursions, risk)
            # Two fills are one that opened and one that closed, however they are paired.
            if fills > 2 and self._has_exits_apart(trade) and (pairs := self._stretches.of_trade(trade)):
                self._add_pairs(found, pairs)
                continue
            tally.add_exit(found, exited, points, commission)
            if is_paired:
                tally.add_trade(found, entered, exited, points, commission)

    def _has_exits_apart(self, trade: Closed) -> bool:
        if self._is_paired or trade.realized is None:
            return True
        if self._since is not None and trade.entry_time < self._since:
            return True
        return not self._tally.calendar.is_one_day(trade.entry_time, trade.exit_time)

    def add_closed_later(self, trades: Iterable[Closed]) -> None:
        """Add what was realized within the time looked at by trades that ended after it."""
        for trade in trades:
            self._add_pairs(self._tally.of(*trade[:3]), self._stretches.of_trade(trade))

    def add_open(self, holding: Holding) -> None:
        """Add what an open position has realized within the time looked at, and what is open."""
        position, mark = holding.position, holding.mark
        found = self._tally.of(*position.key)
        points = unrealized(position, mark.price) if mark is not None else None
        if position.opened_quantity != abs(position.signed_quantity):
            pairs, inventory = self._stretches.of_position(holding)
            self._add_pairs(found, pairs)
            if mark is not None and inventory.signed_quantity == position.signed_quantity:
                points = open_points(inventory, mark.price)
        self._tally.hold(found, points, mark.time if mark is not None else None)

    def _add_pairs(self, found: KeyTally, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            if self._since is not None and pair.exit_time < self._since:
                continue
            if self._until is not None and pair.exit_time >= self._until:
                continue
            self._tally.add_exit(found, pair.exit_time, pair.points, pair.commission)
            if self._is_paired:
                self._tally.add_trade(found, pair.entry_time, pair.exit_time, pair.points, pair.commission)


@frozen
class _Stretch:
    """How far the fills of a key have been paired, and the pairs of the second reached."""

    second: datetime
    inventory: Inventory
    latest: tuple[Pair, ...]


class _Stretches:
    """The pairs of single positions, each from the fills between its entry and its exit.

    Positions of one key are asked for in the order of their exits, and where one follows another without the key being
    flat at the end of a second, pairing goes on where it stopped: no fill is read twice.
    """

    def __init__(self, reader: ExitReader, instruments: Mapping[str, Instrument], method: Method) -> None:
        self._reader, self._instruments = reader, instruments
        self._empty = Inventory(method=method)
        self._reached: dict[tuple[str, str], _Stretch] = {}

    def of_trade(self, trade: Closed) -> list[Pair]:
        """Return the pairs of a trade, in the order of exits; none where the ledger has no such fills."""
        symbol = (trade.account, trade.symbol)
        return self._between(symbol, trade.opened_by, trade.entry_time, trade.exit_time)[0]

    def of_position(self, holding: Holding) -> tuple[list[Pair], Inventory]:
        """Return the pairs of an open position, and the lots that are open."""
        position = holding.position
        assert position.entry_time is not None, position
        return self._between((position.key.account, position.key.symbol), position.opened_by, position.entry_time, None)

    def _between(
        self, symbol: tuple[str, str], opened_by: int | None, entered: datetime, exited: datetime | None
    ) -> tuple[list[Pair], Inventory]:
        reached = self._reached.get(symbol)
        start = self._reader.flat_before(*symbol, entered, known=reached.second if reached is not None else None)
        found: list[Pair] = []
        inventory = self._empty
        if reached is not None and start <= reached.second:
            found, inventory, start = list(reached.latest), reached.inventory, reached.second + _SECOND
        last = None if exited is None else whole_second(exited)
        if last is None or start <= last:
            for part in self._reader.fills_within(*symbol, start, last):
                pairing = pair_up(inventory, self._in_order(part, inventory))
                inventory = pairing.after
                found += [p for p in pairing.pairs if p.opened_by == opened_by or whole_second(p.exit_time) == last]
            if last is not None:
                latest = tuple(pair for pair in found if whole_second(pair.exit_time) == last)
                self._reached[symbol] = _Stretch(last, inventory, latest)
        return [pair for pair in found if pair.opened_by == opened_by], inventory

    def _in_order(self, fills: list[Fill], inventory: Inventory) -> Iterator[Fill]:
        held = inventory.signed_quantity
        return (priced(fill, self._instruments.get(fill.symbol)) for fill in arranged(fills, held))
