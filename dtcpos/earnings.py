"""Walk a ledger once and add up what was earned: exits on the day they happened, trades when they are flat again.

Most trades are one exit, and what they realized is stored with them. Only a trade with several exits that are to be told
apart (they lie on different days, or lots are paired) has its fills read again, as has an open position that was reduced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from heapq import merge
from itertools import chain

from attrs import frozen

from dtcpos.booking import arranged, unrealized, whole_second
from dtcpos.booking.book import EXACT
from dtcpos.booking.pairing import Inventory, Method, Pair, open_points, pair_up
from dtcpos.booking.pricing import priced
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
        instruments: dict[str, Instrument],
        method: Method | None,
    ) -> None:
        self._tally = tally
        self._since, self._until = selection.since, selection.until
        self._is_paired = method is not None
        self._pairs = _Pairs(reader, instruments, method or Method.AVERAGE)

    def add_closed(self, trades: Iterable[Closed]) -> None:
        """Add trades that ended within the time looked at, by exit."""
        tally, of, day_of = self._tally, self._tally.of, self._tally.calendar.day_of
        is_paired, since = self._is_paired, self._since
        for trade in trades:
            mode, account, symbol, entered, exited, points, commission, mae, mfe, fills, _, risk = trade
            found = of(mode, account, symbol)
            if not is_paired:
                excursions = None if mae is None or mfe is None else (mae, mfe)
                tally.add_trade(found, entered, exited, points, commission, excursions, risk)
            if fills > 2 and (is_paired or points is None or not self._is_of_one_day(entered, day_of, exited, since)):
                self._add_pairs(found, self._pairs.of_trade(trade) or [_whole(trade)])
            else:
                tally.add_exit(found, exited, points, commission)
                if is_paired:
                    tally.add_trade(found, entered, exited, points, commission)

    def _is_of_one_day(self, entered: datetime, day_of, exited: datetime, since: datetime | None) -> bool:
        day_of(exited)
        ...
