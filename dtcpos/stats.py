"""Add up what was earned: pure, exact, one pass, in memory that grows with days and symbols and never with trades.

Two things are counted. An *exit* is what one closing fill realized; it belongs to the trading day on which it
happened, whatever closes the rest. A *trade* is judged as a whole when it is flat again. Realized figures come from
exits, hit rate and its kin from trades.

Invariants:
1. Modes are never added together, except in the block of mode ALL, which is made only when it is asked for.
2. Currencies are never added together, nor the points of two symbols: each is a block of its own.
3. The days of a block add up to the block, exactly, and so do its weeks, months, symbols and accounts.
4. What has no known profit is counted and added to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

from attrs import frozen

from dtcpos.booking import rounded_quotient
from dtcpos.exact import EXACT
from dtcpos.model import ZERO, Instrument, PositionKey
from dtcpos.series import Figures, Series
from dtcpos.settings import TradingDay

ALL = "ALL"


class Unit(NamedTuple):
    """What figures are in: money of a currency (None where nobody stated it), or points of one symbol."""

    currency: str | None = None
    points_of: str | None = None

    @property
    def is_money(self) -> bool:
        """Whether the worth of a point is known."""
        return self.points_of is None


@frozen(kw_only=True)
class Earned:
    """What some exits realized, and how the trades that closed with them did.

    `points` is None where symbols are mixed, `gross` and `net` where the worth of a point is unknown. `commission` is
    the sum of those known, None where none is; `commission_unknown` counts the exits without, whose net is their gross.
    `unknown` counts the exits whose profit nobody knows.
    """

    exits: int
    points: Decimal | None
    gross: Decimal | None
    commission: Decimal | None
    net: Decimal | None
    commission_unknown: int
    unknown: int
    trades: int
    wins: int
    losses: int

    @property
    def hit_rate(self) -> Decimal | None:
        """The share of trades that won, None without trades."""
        return rounded_quotient(Decimal(self.wins), Decimal(self.trades)) if self.trades else None


@frozen(kw_only=True)
class Unrealized:
    """What is open at the last marks.

    `points` is None where symbols are mixed, `amount` where the worth of a point is unknown, both where nothing held
    has a mark. `unmarked` counts the positions left out, which have no mark or no known cost; `mark_time` is the oldest
    mark used.
    """

    positions: int
    unmarked: int
    points: Decimal | None
    amount: Decimal | None
    mark_time: datetime | None


@frozen(kw_only=True)
class Slice:
    """A day, a week, a month, a symbol or an account; `equity` is the running total after it, for times only."""

    name: str
    earned: Earned
    equity: Decimal | None = None
    unrealized: Unrealized | None = None


@frozen(kw_only=True)
class Block:
    """Everything about one mode in one unit."""

    mode: str
    unit: Unit
    earned: Earned
    unrealized: Unrealized | None
    figures: Figures
    days: tuple[Slice, ...]
    weeks: tuple[Slice, ...]
    months: tuple[Slice, ...]
    symbols: tuple[Slice, ...]
    accounts: tuple[Slice, ...]


class Calendar:
    """The trading day of a moment; moments mostly come in order, so the day of the last one is tried first."""

    def __init__(self, trading_day: TradingDay) -> None:
        self._trading_day = trading_day
        self._begins_at = self._ends_at = datetime.min.replace(tzinfo=UTC)
        self._day = date.min

    def day_of(self, moment: datetime) -> date:
        """Return the trading day of a moment."""
        if not self._begins_at <= moment < self._ends_at:
            self._day = self._trading_day.day_of(moment)
            self._begins_at = self._trading_day.starts_at(self._day)
            self._ends_at = self._trading_day.starts_at(self._day + timedelta(days=1))
        return self._day

    def is_one_day(self, earlier: datetime, later: datetime) -> bool:
        """Whether two moments are of one trading day."""
        self.day_of(later)
        return self._begins_at <= earlier


class Cell:
    """What one key earned on one day."""

    __slots__ = ("charged", "commission", "exits", "losses", "points", "trades", "unknown", "wins")

    def __init__(self) -> None:
        self.points = self.commission = ZERO
        self.exits = self.charged = self.unknown = self.trades = self.wins = self.losses = 0

    def add_exit(self, points: Decimal | None, commission: Decimal | None) -> None:
        """Count what one closing fill realized."""
        if points is None:
            self.unknown += 1
            return
        self.exits += 1
        self.points += points
        if commission is not None:
            self.commission += commission
            self.charged += 1


class _Open:
    """One open position as it was counted."""

    __slots__ = ("mark_time", "points")

    def __init__(self, points: Decimal | None, mark_time: datetime | None) -> None:
        self.points, self.mark_time = points, mark_time


class KeyTally:
    """What is added up for one mode, account and symbol."""

    __slots__ = ("cell", "cells", "day", "key", "open", "per_point", "series", "unit")

    def __init__(self, key: PositionKey, unit: Unit, per_point: Decimal | None, series: tuple[Series, ...]) -> None:
        self.key, self.unit, self.per_point, self.series = key, unit, per_point, series
        self.cells: dict[date, Cell] = {}
        self.day: date | None = None
        self.cell = Cell()
        self.open: _Open | None = None

    def on(self, day: date) -> Cell:
        """Return the cell of a day."""
        if day is not self.day:
            self.day = day
            cell = self.cells.get(day)
            if cell is None:
                cell = self.cells[day] = Cell()
            self.cell = cell
        return self.cell

    def add_trade(
        self,
        cell: Cell,
        time: timedelta,
        points: Decimal | None,
        commission: Decimal | None,
        mae: Decimal | None = None,
        mfe: Decimal | None = None,
        risk: Decimal | None = None,
    ) -> None:
        """Judge a trade as a whole, on the day and in the order of its exit; amounts in points, as they were booked."""
        if points is None:
            for series in self.series:
                series.unknown += 1
            return
        net, per_point = points, self.per_point
        if per_point is not None:
            net = points * per_point
            if commission is not None:
                net -= commission
            if mae is not None and mfe is not None:
                mae *= per_point
                mfe *= per_point
            if risk is not None:
                risk *= per_point
        cell.trades += 1
        if net > 0:
            cell.wins += 1
        elif net < 0:
            cell.losses += 1
        for series in self.series:
            series.add(net, time, mae, mfe, risk)

    def hold(self, points: Decimal | None, mark_time: datetime | None) -> None:
        """Count the open position, with the points open at its mark; both None where there is no mark."""
        self.open = _Open(points, mark_time)


class Tally:
    """What is added up, by key, and the result.

    Sums are made in the decimal context of the caller, who sets `EXACT`: naming the context in every sum would cost
    half as much again.
    """

    def __init__(
        self, trading_day: TradingDay, instruments: dict[str, Instrument], *, with_total: bool = False
    ) -> None:
        self.calendar = Calendar(trading_day)
        self._instruments = instruments
        self._with_total = with_total
        self._keys: dict[tuple[str, str, str], KeyTally] = {}
        self._series: dict[tuple[str, Unit], Series] = {}

    def of(self, mode: str, account: str, symbol: str) -> KeyTally:
        """Return what is added up for a key."""
        name = (mode, account, symbol)
        found = self._keys.get(name)
        if found is None:
            instrument = self._instruments.get(symbol)
            per_point = instrument.point_value if instrument is not None else None
            unit = Unit(points_of=symbol)
            if instrument is not None and per_point is not None:
                unit = Unit(currency=instrument.currency or None)
            modes = (mode, ALL) if self._with_total else (mode,)
            series = tuple(self._series.setdefault((each, unit), Series()) for each in modes)
            found = self._keys[name] = KeyTally(PositionKey(*name), unit, per_point, series)
        return found

    def blocks(self, *, with_open: bool = True) -> list[Block]:
        """Return the result, money before points, the total last; `with_open` False leaves out what is open."""
        found = []
        for mode, unit in sorted(self._series, key=_block_order):
            tallies = [tally for tally in self._keys.values() if tally.unit == unit and mode in (tally.key.mode, ALL)]
            found.append(_block(mode, unit, self._series[mode, unit], tallies, with_open=with_open))
        return found


def week_of(day: date) -> str:
    """Name the ISO week of a trading day: 2026-W47."""
    year, week, _ = day.isocalendar()
    return f"{year:04d}-W{week:02d}"


def month_of(day: date) -> str:
    """Name the month of a trading day: 2026-11."""
    return f"{day:%Y-%m}"


def _block_order(name: tuple[str, Unit]) -> tuple[bool, str, bool, str]:
    mode, unit = name
    return mode == ALL, mode, not unit.is_money, unit.currency or unit.points_of or ""


_Part = tuple[KeyTally, date, Cell]


def _block(mode: str, unit: Unit, series: Series, tallies: list[KeyTally], *, with_open: bool) -> Block:
    parts = [(tally, day, cell) for tally in tallies for day, cell in tally.cells.items()]
    return Block(
        mode=mode,
        unit=unit,
        earned=_earned(unit, parts),
        unrealized=_unrealized(unit, tallies) if with_open else None,
        figures=series.figures(),
        days=_times(unit, parts, date.isoformat),
        weeks=_times(unit, parts, week_of),
        months=_times(unit, parts, month_of),
        symbols=_places(unit, tallies, lambda key: key.symbol, with_open=with_open),
        accounts=_places(unit, tallies, lambda key: key.account, with_open=with_open),
    )


def _times(unit: Unit, parts: list[_Part], name_of: Callable[[date], str]) -> tuple[Slice, ...]:
    groups: dict[str, list[_Part]] = {}
    for part in parts:
        groups.setdefault(name_of(part[1]), []).append(part)
    slices, equity = [], ZERO
    for name in sorted(groups):
        earned = _earned(unit, groups[name])
        amount = earned.net if unit.is_money else earned.points
        equity = EXACT.add(equity, amount or ZERO)
        slices.append(Slice(name=name, earned=earned, equity=equity))
    return tuple(slices)


def _places(
    unit: Unit, tallies: list[KeyTally], name_of: Callable[[PositionKey], str], *, with_open: bool
) -> tuple[Slice, ...]:
    groups: dict[str, list[KeyTally]] = {}
    for tally in tallies:
        groups.setdefault(name_of(tally.key), []).append(tally)
    return tuple(
        Slice(
            name=name,
            earned=_earned(unit, [(tally, day, cell) for tally in group for day, cell in tally.cells.items()]),
            unrealized=_unrealized(unit, group) if with_open else None,
        )
        for name, group in sorted(groups.items())
    )


def _earned(unit: Unit, parts: list[_Part]) -> Earned:
    cells = [cell for _, _, cell in parts]
    exits, charged = sum(cell.exits for cell in cells), sum(cell.charged for cell in cells)
    commission = None if exits and not charged else _total(cell.commission for cell in cells)
    gross = None
    if unit.is_money:
        gross = _total(EXACT.multiply(cell.points, tally.per_point or ZERO) for tally, _, cell in parts)
    net = gross if gross is None or commission is None else EXACT.subtract(gross, commission)
    return Earned(
        exits=exits,
        points=_total(cell.points for cell in cells) if len({tally.key.symbol for tally, _, _ in parts}) < 2 else None,
        gross=gross,
        commission=commission,
        net=net,
        commission_unknown=exits - charged,
        unknown=sum(cell.unknown for cell in cells),
        trades=sum(cell.trades for cell in cells),
        wins=sum(cell.wins for cell in cells),
        losses=sum(cell.losses for cell in cells),
    )


def _unrealized(unit: Unit, tallies: Iterable[KeyTally]) -> Unrealized:
    held = list(_held(tallies))
    known = [(tally, found.points) for tally, found in held if found.points is not None]
    marks = [found.mark_time for _, found in held if found.points is not None and found.mark_time is not None]
    has_figure = bool(known) or not held
    is_one_symbol = len({tally.key.symbol for tally, _ in held}) < 2
    amount = _total(EXACT.multiply(points, tally.per_point or ZERO) for tally, points in known)
    return Unrealized(
        positions=len(held),
        unmarked=len(held) - len(known),
        points=_total(points for _, points in known) if has_figure and is_one_symbol else None,
        amount=amount if has_figure and unit.is_money else None,
        mark_time=min(marks, default=None),
    )


def _held(tallies: Iterable[KeyTally]) -> Iterator[tuple[KeyTally, _Open]]:
    return chain.from_iterable(((tally, tally.open),) if tally.open is not None else () for tally in tallies)


def _total(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
