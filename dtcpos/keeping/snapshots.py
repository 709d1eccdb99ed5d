"""What the market looked like when a position was opened and when it was closed.

The figures are of the trading session: from the tape that the protocol room keeps, or from another program's feed
where there is one for the symbol. The tape counts only where it is whole: subscribed since before the session began,
and no gap since. Otherwise, and for executions that are told late, there is no snapshot: null, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from attrs import evolve, frozen

from dtcpos.booking import profile
from dtcpos.dtc import Connection
from dtcpos.exact import EXACT
from dtcpos.keeping.posting import Posting
from dtcpos.model import ZERO, Action, Fill, PositionKey, Snapshot, Source
from dtcpos.settings import TradingDay
from dtcpos.store import PositionRepository
from dtcpos.translate import decimal_of, decimal_of_float32, moment_of, units_a_second
from dtcpos.updates import FillUpdate, TradeUpdate, Update

# From the symbol to another program's figures, None where that program says nothing of the symbol.
Feed = Callable[[str], Snapshot | None]

# The clocks of an exchange, a server and this machine differ by a few seconds at most where they are kept at all.
_SKEW_S = 5.0
# An execution told later than this is not of the market as it is now.
_FRESH_S = 10.0
# Sums of fractional volumes are read to this many decimals: what lies beyond is noise of binary fractions.
_DECIMALS = 8


@frozen
class _Tape:
    """A tape as it stood after so many ticks: volume at each wire price, and of it at the bid and at the ask."""

    ticks: int
    volumes: dict[float, float]
    at_bid: float
    at_ask: float


class Snapshots:
    """The snapshots of one session with the server."""

    def __init__(
        self,
        connection: Connection,
        posting: Posting,
        repository: PositionRepository,
        *,
        trading_day: TradingDay,
        feed: Feed | None,
    ) -> None:
        self._connection = connection
        self._posting = posting
        self._repository = repository
        self._trading_day = trading_day
        self._feed = feed
        # By symbol its id and since when its trades have been coming without a gap, infinity while they do not.
        self._since: dict[str, tuple[int, float]] = {}
        self._frozen: dict[str, _Tape] = {}
        self._at_fill: dict[tuple[object, ...], _Tape] = {}
        self._bounds = lru_cache(maxsize=8)(self._bounds_of)
        connection.keep_tapes(self._session_of)

    def subscribed(self, symbol: str, symbol_id: int) -> None:
        """Take note that trades of the symbol are coming from now on."""
        self._since[symbol] = (symbol_id, self._now)
        self._frozen.pop(symbol, None)

    def interrupted(self, symbols: Iterable[str]) -> None:
        """Take note that no trades of these symbols are coming until `resumed` or `subscribed` says so."""
        for symbol in symbols:
            if symbol in self._since:
                self._since[symbol] = (self._since[symbol][0], math.inf)

    def resumed(self, symbol: str) -> None:
        """Take note that trades of the symbol are coming; nothing where they never ceased to."""
        symbol_id, since = self._since.get(symbol, (0, 0.0))
        if since == math.inf:
            self.subscribed(symbol, symbol_id)

    def sight(self, fill: Fill) -> None:
        """Keep the tape as it stands where an execution comes in the stream of ticks.

        It is booked after all that came with it was read, later ticks included.
        """
        tape = self._tape_of(fill.symbol) if fill.symbol in self._since else None
        if tape is not None:
            self._at_fill[_name(fill)] = tape

    def told(self, updates: list[Update]) -> list[Update]:
        """Return the updates, those of trades with what the ledger remembers of them."""
        trades = [update.trade for update in updates if isinstance(update, TradeUpdate)]
        if not trades:
            return updates
        closed = self._repository.remembered(trades, self._posting.instruments)
        return [
            evolve(update, closed=closed[update.trade.key, update.trade.opened_by])
            if isinstance(update, TradeUpdate)
            else update
            for update in updates
        ]

    def write(self, updates: Iterable[Update], moment: datetime) -> None:
        """Store the snapshots of what has just been opened and closed."""
        feed = lru_cache(self._feed) if self._feed is not None else None
        found: dict[int | None, Snapshot] = {}
        for update in updates:
            if isinstance(update, FillUpdate) and update.action in _TURNS and _is_fresh(update.fill, moment):
                snapshot = self._snapshot_of(update.fill, feed)
                if snapshot is not None:
                    found[update.fill.id] = snapshot
                    self._write_entry(PositionKey(update.mode, update.fill.account, update.fill.symbol), update, found)
        self._at_fill.clear()
        if not found:
            return
        for update in updates:
            if isinstance(update, TradeUpdate) and not update.is_restated:
                trade = update.trade
                # Opened and closed in one piece, it was never an open position that could have kept its entry.
                self._repository.set_trade_snapshots(
                    trade, entry=found.get(trade.opened_by), exit_=found.get(trade.closed_by)
                )

    def _write_entry(self, key: PositionKey, update: FillUpdate, found: dict[int | None, Snapshot]) -> None:
        position = self._posting.positions.get(key)
        if position is not None and position.opened_by == update.fill.id:
            entry = found[update.fill.id]
            self._repository.set_entry_snapshot(key, vwap=entry.vwap, cum_delta=entry.cum_delta, poc=entry.poc)

    def _snapshot_of(self, fill: Fill, feed: Feed | None) -> Snapshot | None:
        told = None if feed is None else feed(fill.symbol)
        if told is not None:
            return told
        tape = self._at_fill.get(_name(fill))
        return None if tape is None else self._profile(fill.symbol, tape)

    def _profile(self, symbol: str, tape: _Tape) -> Snapshot:
        instrument = self._posting.instruments.get(symbol)
        multiplier = Decimal(1) if instrument is None else instrument.multiplier
        volumes: dict[Decimal, Decimal] = {}
        for wire, traded in tape.volumes.items():
            price, volume = decimal_of_float32(wire), _volume(traded)
            if price is None or volume is None:
                return Snapshot()
            price = EXACT.multiply(price, multiplier)
            volumes[price] = EXACT.add(volumes.get(price, ZERO), volume)
        at_bid, at_ask = _volume(tape.at_bid), _volume(tape.at_ask)
        if at_bid is None or at_ask is None:
            return Snapshot()
        return profile(volumes, at_bid=at_bid, at_ask=at_ask)

    def _tape_of(self, symbol: str) -> _Tape | None:
        """Return the tape of the session that is on, None where trades of it may be missing."""
        symbol_id, since = self._since[symbol]
        tick = self._connection.last_tick.get(symbol_id)
        if tick is None or tick.session is None or not tick.is_whole or tick.session < since + _SKEW_S:
            return None
        start, end = self._bounds(tick.session)
        if not start - _SKEW_S <= self._now < end:
            return None
        last = self._frozen.get(symbol)
        if last is None or last.ticks != tick.count:
            last = self._frozen[symbol] = _Tape(tick.count, dict(tick.volumes), tick.at_bid, tick.at_ask)
        return last

    @property
    def _now(self) -> float:
        return self._connection.last_heard_at or 0.0

    def _session_of(self, wire: float) -> tuple[float, float, float] | None:
        traded = moment_of(wire)
        if traded is None:
            return None
        start, end = self._bounds(traded[0].timestamp())
        if start > self._now + _SKEW_S:
            # A time from the future would leave the trades of now for late ones.
            return None
        unit = units_a_second(wire)
        return start, start * unit, end * unit

    def _bounds_of(self, moment_s: float) -> tuple[float, float]:
        """Return when the trading session of a moment began and when the next begins, in Unix seconds."""
        day = self._trading_day.day_of(datetime.fromtimestamp(moment_s, UTC))
        start, end = (self._trading_day.starts_at(each) for each in (day, day + timedelta(days=1)))
        return start.timestamp(), end.timestamp()


_TURNS = (Action.OPENED, Action.CLOSED, Action.REVERSED)


def _name(fill: Fill) -> tuple[object, ...]:
    return fill.account, fill.symbol, fill.execution_id, fill.order_id, fill.cumulative_quantity


def _is_fresh(fill: Fill, moment: datetime) -> bool:
    return fill.source is Source.LIVE and abs((moment - fill.time).total_seconds()) <= _FRESH_S


def _volume(traded: float) -> Decimal | None:
    return decimal_of(round(traded, _DECIMALS)) if traded < math.inf else None
