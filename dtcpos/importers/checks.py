"""What a log states beside its executions, held against the ledger: the position after each, the prices seen during it.

Nothing of it is applied. A difference in quantity means that executions are missing, here or there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import groupby

from attrs import frozen

from dtcpos.booking import whole_second
from dtcpos.booking.gaps import Gap, gaps
from dtcpos.exact import EXACT
from dtcpos.importers.report import Difference, moment_text, number_text
from dtcpos.keeping.imported import ImportedLog, Logged
from dtcpos.keeping.posting import Posting
from dtcpos.model import ZERO, Fill, Trade
from dtcpos.store import PositionRepository
from dtcpos.updates import FillUpdate, TradeUpdate, Update

_Symbol = tuple[str, str]  # account, symbol
_SECOND = timedelta(seconds=1)


class Quantities:
    """Our running quantity against the position quantities a log states, part by part."""

    def __init__(self) -> None:
        self._offsets: dict[_Symbol, Decimal] = {}
        self._spans: dict[_Symbol, tuple[Fill, Fill]] = {}
        self._found: dict[_Symbol, list[Gap]] = defaultdict(list)
        self._followed: set[_Symbol] = set()

    def take(self, rows: Iterable[Logged], updates: Iterable[Update]) -> None:
        """Take a part of the log and what booking it told."""
        for row in rows:
            symbol = (row.fill.account, row.fill.symbol)
            first, _ = self._spans.get(symbol, (row.fill, row.fill))
            self._spans[symbol] = (first, row.fill)
        told: dict[_Symbol, list[tuple[Fill, Decimal]]] = defaultdict(list)
        for update in updates:
            if isinstance(update, FillUpdate):
                running = ZERO if update.position is None else update.position.signed_quantity
                told[update.fill.account, update.fill.symbol].append((update.fill, running))
        for symbol, fills in told.items():
            self._followed.add(symbol)
            self._follow(symbol, fills)

    def _follow(self, symbol: _Symbol, fills: Sequence[tuple[Fill, Decimal]]) -> None:
        offset = self._offsets.get(symbol, ZERO)
        for fill, running in _evidence(fills):
            assert fill.position_after is not None
            differs = EXACT.subtract(fill.position_after, running)
            if differs != offset:
                missing = EXACT.subtract(differs, offset)
                self._found[symbol].append(
                    Gap(after=None, before=fill, stated=fill.position_after, running=running, missing=missing)
                )
            offset = differs
        self._offsets[symbol] = offset

    def differences(self, repository: PositionRepository, log: ImportedLog) -> Iterator[Difference]:
        """Yield every place where what the log states is not what the ledger comes to."""
        for symbol, (first, last) in self._spans.items():
            found = self._found[symbol]
            if symbol in log.late or symbol in log.unfollowed or symbol not in self._followed:
                # Booked again, or not at all: the statements are then among the fills of the whole key.
                begins, ends = first.time - _SECOND, last.time + _SECOND
                all_gaps = gaps(_in_order(repository, symbol))
                found = [gap for gap in all_gaps if begins <= gap.before.time <= ends]
            yield from (_gap_difference(gap) for gap in found)


def _in_order(repository: PositionRepository, symbol: _Symbol) -> Iterator[Fill]:
    from dtcpos.booking import arranged

    return arranged(repository.fills_of_key(*symbol), ZERO)


def _evidence(fills: Sequence[tuple[Fill, Decimal]]) -> Iterator[tuple[Fill, Decimal]]:
    """Yield the fills whose statement may be held against us; see `booking.gaps` for seconds told in part."""
    for _, group in groupby(fills, key=lambda pair: whole_second(pair[0].time)):
        within = list(group)
        stated = [pair for pair in within if pair[0].position_after is not None]
        yield from stated if len(stated) == len(within) else stated[-1:]


def _gap_difference(gap: Gap) -> Difference:
    fill = gap.before
    lots = f"{number_text(abs(gap.missing))} lot{'' if abs(gap.missing) == 1 else 's'}"
    text = (
        f"{fill.account} {fill.symbol}: {lots} {'bought' if gap.missing > 0 else 'sold'} missing before "
        f"{fill.execution_id or 'the execution'} ({moment_text(fill.time)}): {number_text(gap.stated)} held after it "
        f"is stated, the ledger comes to {number_text(gap.running)}"
    )
    return Difference(
        kind="quantity",
        account=fill.account,
        symbol=fill.symbol,
        text=text,
        stated=gap.stated,
        held=gap.running,
        time=fill.time,
    )


@frozen
class _Range:
    low: Decimal | None
    high: Decimal | None


class Ranges:
    """The prices a log saw during each position against those the ledger has of its trade."""

    def __init__(self, posting: Posting) -> None:
        self._posting = posting
        self._waiting: dict[_Symbol, dict[int, _Range]] = defaultdict(dict)
        self._compared: dict[_Symbol, int] = defaultdict(int)
        self._differing: dict[_Symbol, list[tuple[Trade, _Range]]] = defaultdict(list)
        self._counted: dict[_Symbol, int] = defaultdict(int)

    def take(self, rows: Sequence[Logged], matched: Sequence[int], updates: Iterable[Update]) -> None:
        """Take a part of the log, the fills its rows are, and what booking it told."""
        closing: dict[_Symbol, dict[int, _Range]] = defaultdict(dict)
        for row, fill_id in zip(rows, matched, strict=True):
            if (row.low is not None or row.high is not None) and _may_close(row.fill):
                closing[row.fill.account, row.fill.symbol][fill_id] = self._shown(row)
        for update in updates:
            if isinstance(update, TradeUpdate) and not update.is_restated and update.trade.closed_by is not None:
                stated = closing[update.trade.key[1:]].pop(update.trade.closed_by, None)
                if stated is not None:
                    self._compare(update.trade, stated)
        for symbol, ranges in closing.items():
            self._waiting[symbol].update(ranges)

    def differences(self, repository: PositionRepository) -> Iterator[Difference]:
        """Yield, for each key, how many trades have another range in the log, and the first of them."""
        for symbol, ranges in self._waiting.items():
            for trade in repository.trades_of_key(*symbol) if ranges else ():
                stated = ranges.get(trade.closed_by or 0)
                if stated is not None:
                    self._compare(trade, stated)
        for symbol, found in self._differing.items():
            yield _range_difference(symbol, found[0], self._counted[symbol], self._compared[symbol])

    def _compare(self, trade: Trade, stated: _Range) -> None:
        symbol = trade.key[1:]
        self._compared[symbol] += 1
        low, high = stated.low, stated.high
        if (low is not None and low != trade.price_min) or (high is not None and high != trade.price_max):
            self._counted[symbol] += 1
            if not self._differing[symbol]:
                self._differing[symbol].append((trade, stated))

    def _shown(self, row: Logged) -> _Range:
        instrument = self._posting.instruments.get(row.fill.symbol)
        if instrument is None or instrument.multiplier == 1:
            return _Range(row.low, row.high)
        low, high = (
            None if price is None else EXACT.multiply(price, instrument.multiplier) for price in (row.low, row.high)
        )
        return _Range(low, high)


def _may_close(fill: Fill) -> bool:
    if fill.position_after is None:
        return True
    before = EXACT.subtract(fill.position_after, fill.signed_quantity)
    return bool(before) and before * fill.position_after <= 0


def _range_difference(symbol: _Symbol, first: tuple[Trade, _Range], differing: int, compared: int) -> Difference:
    trade, stated = first
    account, name = symbol
    text = (
        f"{account} {name}: {differing} of {compared} trades have another price range in the log, first the one closed "
        f"{moment_text(trade.exit_time)}: {number_text(stated.low)} to {number_text(stated.high)} there, "
        f"{number_text(trade.price_min)} to {number_text(trade.price_max)} here; not applied"
    )
    return Difference(kind="range", account=account, symbol=name, text=text, time=trade.exit_time)
