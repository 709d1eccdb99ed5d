"""A quick yes for what is right in a ledger: one walk over its fills that proves every key at once.

Invariants:
1. A key is told only where the proof of it alone, fill by fill and trade by trade, would find nothing to name of its
   fills and trades. What is not told may be right too: a no only says that `proving` must look.
2. Nothing is kept of the past but the second at work, so memory is that of the keys and not of the fills.

The walk goes by id, which for what is heard as it happens is the order of the ledger. A key whose fills came in
another order is walked again, by time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import frozen

from dtcpos.booking import arranged, book, flat
from dtcpos.booking.excursions import too_narrow
from dtcpos.booking.pricing import priced
from dtcpos.errors import LedgerCorrupt
from dtcpos.model import Fill, Instrument, Position, PositionKey, Trade
from dtcpos.store.audit import Progress, modes_of, strictly
from dtcpos.store.columns import TRADE
from dtcpos.store.glance import UNREADABLE
from dtcpos.store.queries import LedgerQueries
from dtcpos.store.rows import Row, checksum_of, decimal_or_none, text_or_none, trade_row
from dtcpos.store.skimming import FillWalk, fills_by_time, trade_count, trade_rows

_Name = tuple[str, str]
_SECOND: Final = timedelta(seconds=1)
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
# Trades are looked up many at a time; until then they wait, and take a few megabytes at most.
_FILLS_BETWEEN: Final = 4096
_BOOKED: Final = len(TRADE)
_EXTREMES: Final = slice(TRADE.index("trade_min_price"), TRADE.index("mfe") + 1)
_BEFORE: Final = slice(0, _EXTREMES.start)
_BEHIND: Final = slice(_EXTREMES.stop, _BOOKED)


@frozen(kw_only=True)
class Skimmed:
    """What a walk over the fills has found sound.

    `positions` are those the fills come to, of the keys whose fills and trades have nothing to be named. The two flags
    say of the tables whether every row of them is what was written, and every current fill can be booked.
    """

    positions: Mapping[_Name, Position]
    fills_are_sound: bool
    sightings_are_sound: bool


NOTHING_SKIMMED: Final = Skimmed(positions={}, fills_are_sound=False, sightings_are_sound=False)


class _Late(Exception):
    """A fill lies before one that is booked."""


class _Wrong(Exception):
    """The key has something to be named."""


class _Run:
    """The replay of one key, as far as it has come: fills in whole seconds, in any order within each."""

    __slots__ = ("closed", "first", "instrument", "position", "proved", "waiting")

    def __init__(self, key: PositionKey, instrument: Instrument | None) -> None:
        self.position = flat(key)
        self.instrument = instrument
        self.first = _NEVER
        self.waiting: list[Fill] = []
        self.closed: list[Trade] = []
        self.proved = 0

    def take(self, fill: Fill) -> None:
        """Take the next fill; raise _Late or _Wrong."""
        time, first = fill.time, self.first
        # Not by whole seconds: making one of each fill takes half a microsecond longer.
        if time.second == first.second and -_SECOND < time - first < _SECOND:
            self.waiting.append(fill)
        elif time > first:
            self.settle()
            self.first = time
            self.waiting.append(fill)
        else:
            raise _Late

    def settle(self) -> None:
        """Book the fills of the second at work."""
        position, fills = self.position, self.waiting
        self.waiting = []
        for fill in arranged(fills, position.signed_quantity) if len(fills) > 1 else fills:
            _, _, position, _, trade = book(position, priced(fill, self.instrument))
            # Statements that all agree with what is booked leave no gap; `gaps` weighs those that do not.
            if fill.position_after is not None and fill.position_after != position.signed_quantity:
                raise _Wrong
            if trade is not None:
                self.closed.append(trade)
        self.position = position


class _Skimming:
    def __init__(self, ledger: LedgerQueries, progress: Progress) -> None:
        self._ledger = ledger
        self._progress = progress
        self._modes = modes_of(ledger)
        self._instruments = ledger.instruments()
        # None is a key that was given up.
        self._runs: dict[_Name, _Run | None] = {}

    def skimmed(self) -> Skimmed:
        walk = FillWalk(self._ledger, self._progress)
        for name in sorted(self._walk(walk.fills()) - walk.spoilt):
            self._walk_again(name)
        positions = {
            name: run.position
            for name, run in self._runs.items()
            if run is not None and name not in walk.spoilt and run.proved == trade_count(self._ledger, *name)
        }
        return Skimmed(
            positions=positions, fills_are_sound=walk.fills_are_sound, sightings_are_sound=walk.sightings_are_sound
        )

    def _begun(self, name: _Name) -> _Run:
        key = PositionKey(self._modes.get(name[0], ""), *name)
        run = self._runs[name] = _Run(key, self._instruments.get(key.symbol))
        return run

    def _walk(self, fills: Iterable[Fill]) -> set[_Name]:
        """Take the fills of every key as they come; return the keys that were given up for a fill that came late."""
        runs, late = self._runs, set()
        for done, fill in enumerate(fills, 1):
            if not done % _FILLS_BETWEEN:
                self._compare_all()
            name = fill[:2]
            try:
                run = runs[name]
            except KeyError:
                run = self._begun(name)
            if run is None:
                continue
            try:
                run.take(fill)
            except _Late:
                late.add(name)
                runs[name] = None
            except (_Wrong, *UNREADABLE):
                runs[name] = None
        self._compare_all(is_last=True)
        return late

    def _walk_again(self, name: _Name) -> None:
        run = self._begun(name)
        try:
            for done, fill in enumerate(fills_by_time(self._ledger, *name), 1):
                run.take(fill)
                if not done % _FILLS_BETWEEN:
                    self._progress("late fills", done, 0)
                    self._compare(run)
            run.settle()
            self._compare(run)
        except (_Late, _Wrong, *UNREADABLE):
            self._runs[name] = None

    def _compare_all(self, *, is_last: bool = False) -> None:
        for name, run in self._runs.items():
            if run is not None:
                try:
                    if is_last:
                        run.settle()
                    self._compare(run)
                except (_Wrong, *UNREADABLE):
                    self._runs[name] = None

    def _compare(self, run: _Run) -> None:
        """Compare the trades closed since the last time with those stored; raise _Wrong where they differ."""
        if not run.closed:
            return
        _, account, symbol = run.position.key
        rows = trade_rows(self._ledger, account, symbol, [trade.opened_by for trade in run.closed])
        if not all(is_as_stored(trade, rows.get(trade.opened_by)) for trade in run.closed):
            raise _Wrong
        run.proved += len(run.closed)
        run.closed.clear()


def is_as_stored(trade: Trade, row: Row | None) -> bool:
    """Return whether a row of `trade_rows` is what booking makes of a trade, with wider excursions perhaps."""
    if row is None:
        return False
    expected = trade_row(trade, row[0])
    if row[:_BOOKED] != expected and not (
        row[_BEFORE] == expected[_BEFORE] and row[_BEHIND] == expected[_BEHIND] and _is_wider(trade, row[_EXTREMES])
    ):
        return False
    beside = row[_BOOKED:-2]
    is_sealed = checksum_of(row[:_BOOKED]) == row[-2] and checksum_of(beside) == row[-1]
    return is_sealed and not any(map(_is_unreadable, beside))


def _is_wider(trade: Trade, stored: Row) -> bool:
    try:
        low, high, mae, mfe = map(decimal_or_none, stored)
        if any(amount is not None and not amount.is_finite() for amount in (low, high, mae, mfe)):
            return False
        wider = trade._replace(price_min=low, price_max=high, mae=mae, mfe=mfe)
        return not too_narrow(wider, trade) and tuple(map(text_or_none, (low, high, mae, mfe))) == stored
    except UNREADABLE:
        return False


def _is_unreadable(text: str | None) -> bool:
    try:
        decimal_or_none(text)
    except UNREADABLE:
        return True
    return False


def skim(ledger: LedgerQueries, progress: Progress) -> Skimmed:
    """Walk over every fill of a ledger once, and tell the keys that are right as far as their fills and trades go.

    Of a file that cannot be read through, or whose text is none, nothing is told.
    """
    try:
        with strictly(ledger):
            return _Skimming(ledger, progress).skimmed()
    except LedgerCorrupt:
        return NOTHING_SKIMMED
