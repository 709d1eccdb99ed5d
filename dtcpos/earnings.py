"""Walk a ledger once and add up what was earned: exits on the day they happened, trades when they are flat again.

Most trades are one exit, and what they realized is stored with them. Only a trade with several exits that are to be
told apart (they lie on different days, or lots are paired) has its fills read again, as has an open position that was
reduced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import localcontext
from heapq import merge
from itertools import chain

from dtcpos.booking import arranged, unrealized, whole_second
from dtcpos.booking.pairing import Inventory, Method, Pair, open_points, pair_up
from dtcpos.booking.pricing import priced
from dtcpos.exact import EXACT
from dtcpos.model import Instrument
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
        self._stretches = _Stretches(reader, instruments, method or Method.AVERAGE, reads_ahead=self._is_paired)

    def add_closed(self, trades: Iterable[Closed]) -> None:
        """Add trades that ended within the time looked at, by exit."""
        tally, day_of, is_paired = self._tally, self._tally.calendar.day_of, self._is_paired
        for trade in trades:
            mode, account, symbol, entered, exited, points, commission, mae, mfe, fills, _, risk = trade
            found = tally.of(mode, account, symbol)
            cell = found.on(day_of(exited))
            if not is_paired:
                found.add_trade(cell, exited - entered, points, commission, mae, mfe, risk)
            # Two fills are one that opened and one that closed, however they are paired.
            if fills > 2 and self._has_exits_apart(trade) and (pairs := self._stretches.of_trade(trade)):
                self._add_pairs(found, pairs)
                continue
            cell.add_exit(points, commission)
            if is_paired:
                found.add_trade(cell, exited - entered, points, commission)

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
        found.hold(points, mark.time if mark is not None else None)

    def _add_pairs(self, found: KeyTally, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            if self._since is not None and pair.exit_time < self._since:
                continue
            if self._until is not None and pair.exit_time >= self._until:
                continue
            cell = found.on(self._tally.calendar.day_of(pair.exit_time))
            cell.add_exit(pair.points, pair.commission)
            if self._is_paired:
                found.add_trade(cell, pair.exit_time - pair.entry_time, pair.points, pair.commission)


class _Stretch:
    """How far the fills of a key have been paired, and the pairs nobody asked for yet, by the fill that opened."""

    __slots__ = ("inventory", "pairs", "reached")

    def __init__(self, inventory: Inventory, reached: datetime) -> None:
        self.inventory, self.reached = inventory, reached
        self.pairs: dict[int | None, list[Pair]] = {}

    def add(self, pairs: Iterable[Pair]) -> None:
        for pair in pairs:
            self.pairs.setdefault(pair.opened_by, []).append(pair)

    def forget(self, before: datetime) -> None:
        """Drop the pairs of positions that ended before a second."""
        self.pairs = {name: found for name, found in self.pairs.items() if found[-1].exit_time >= before}


class _Stretches:
    """The pairs of single positions, each from the fills between its entry and its exit.

    Positions of one key are asked for in the order of their exits. Where one follows another without the key being flat
    at the end of a second, pairing goes on where it stopped; with `reads_ahead` it stops only where a part of the fills
    ends, which is quicker where most positions are asked for. No fill is read twice.
    """

    def __init__(
        self, reader: ExitReader, instruments: Mapping[str, Instrument], method: Method, *, reads_ahead: bool
    ) -> None:
        self._reader, self._instruments, self._reads_ahead = reader, instruments, reads_ahead
        self._empty = Inventory(method=method)
        self._stretches: dict[tuple[str, str], _Stretch] = {}

    def of_trade(self, trade: Closed) -> list[Pair]:
        """Return the pairs of a trade, in the order of exits; none where the ledger has no such fills."""
        symbol = (trade.account, trade.symbol)
        stretch = self._stretch_from(symbol, trade.entry_time)
        last = whole_second(trade.exit_time)
        if stretch.reached < last:
            self._go_on(symbol, stretch, last, keep_from=whole_second(trade.entry_time))
        return stretch.pairs.pop(trade.opened_by, [])

    def of_position(self, holding: Holding) -> tuple[list[Pair], Inventory]:
        """Return the pairs of an open position, and the lots that are open."""
        position = holding.position
        assert position.entry_time is not None, position
        symbol = (position.key.account, position.key.symbol)
        stretch = self._stretch_from(symbol, position.entry_time)
        self._go_on(symbol, stretch, None, keep_from=whole_second(position.entry_time))
        return stretch.pairs.pop(position.opened_by, []), stretch.inventory

    def _stretch_from(self, symbol: tuple[str, str], entered: datetime) -> _Stretch:
        """Return the stretch of the key if it reaches the entry, else one that begins where the key was flat before."""
        stretch = self._stretches.get(symbol)
        if stretch is not None and whole_second(entered) <= stretch.reached:
            return stretch
        reached = stretch.reached if stretch is not None else None
        start = self._reader.flat_before(*symbol, entered, known=reached)
        if stretch is None or start > stretch.reached:
            stretch = self._stretches[symbol] = _Stretch(self._empty, start - _SECOND)
        return stretch

    def _go_on(self, symbol: tuple[str, str], stretch: _Stretch, last: datetime | None, *, keep_from: datetime) -> None:
        """Pair further fills of the key, up to the second `last` at least (None: to the end)."""
        instrument = self._instruments.get(symbol[1])
        until = None if self._reads_ahead else last
        for part in self._reader.fills_within(*symbol, stretch.reached + _SECOND, until):
            fills = list(arranged(part, stretch.inventory.signed_quantity))
            pairing = pair_up(stretch.inventory, (priced(fill, instrument) for fill in fills))
            stretch.forget(keep_from)
            stretch.add(pairing.pairs)
            stretch.inventory = pairing.after
            if fills:
                stretch.reached = whole_second(fills[-1].time)
            if last is not None and stretch.reached >= last:
                return
        if last is not None:
            stretch.reached = max(stretch.reached, last)
