"""Positions and trades as a file has them, read so that no damage goes unnamed: what each says, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeVar

from attrs import frozen

from dtcpos.model import Position, PositionKey, Trade
from dtcpos.store.audit import lenient_rows
from dtcpos.store.columns import BESIDE_POSITION, BESIDE_TRADE, OPEN_POSITION, TRADE, listed
from dtcpos.store.glance import UNREADABLE
from dtcpos.store.queries import LedgerQueries
from dtcpos.store.rows import (
    Row,
    checksum_of,
    decimal_or_none,
    moment_or_none,
    position_of,
    position_row,
    trade_of,
    trade_row,
)

_Noun = TypeVar("_Noun")
# What the columns kept beside the booking of a position are read back with, where that is not as a number.
_MOMENTS: Final = ("heat_since", "agreed_at", "compared_at")
_WORDS: Final = "comparison"
_SEALS: Final = ("checksum", "beside_checksum")
_POSITIONS: Final = f"SELECT {listed((*OPEN_POSITION, *BESIDE_POSITION, *_SEALS))} FROM open_position ORDER BY 1, 2, 3"
_TRADES: Final = (
    f"SELECT {listed((*TRADE, *BESIDE_TRADE, *_SEALS))} FROM trade WHERE account = ? AND symbol = ? ORDER BY id"
)
# A byte may change and the value stay: a time reads the same with another letter between date and clock.
_MISSPELT: Final = "is not written as dtcpos writes it"


@frozen(kw_only=True)
class StoredPosition:
    """A row of open_position; `position` is None where its booking cannot be read; `fault` says what is wrong.

    `unreadable` are the columns kept beside the booking that cannot be read. The two flags say whether the booking, and
    what is kept beside it, are what was written.
    """

    key: PositionKey
    opened_by: object
    position: Position | None
    fault: str = ""
    unreadable: tuple[str, ...] = ()
    is_sealed: bool = True
    beside_is_sealed: bool = True


@frozen(kw_only=True)
class StoredTrade:
    """A row of trade; `trade` is None where its booking cannot be read; `fault` says what is wrong.

    `unreadable` are the columns kept beside the booking that cannot be read. The two flags say whether the booking, and
    what is kept beside it, are what was written.
    """

    id: int
    key: PositionKey
    opened_by: object
    trade: Trade | None
    fault: str = ""
    unreadable: tuple[str, ...] = ()
    is_sealed: bool = True
    beside_is_sealed: bool = True


def stored_positions(ledger: LedgerQueries) -> list[StoredPosition]:
    """Return every row of open_position, readable or not."""
    return [_position_in(row) for row in lenient_rows(ledger, _POSITIONS, ())]


def stored_trades(ledger: LedgerQueries, account: str, symbol: str) -> list[StoredTrade]:
    """Return every trade of one account and symbol, readable or not, by id."""
    return [_trade_in(row) for row in lenient_rows(ledger, _TRADES, (account, symbol))]


def stray_trades(ledger: LedgerQueries, known: Collection[tuple[str, str]]) -> list[StoredTrade]:
    """Return the trades of every (account, symbol) that is none of those known."""
    keys = lenient_rows(ledger, "SELECT DISTINCT account, symbol FROM trade", ())
    if all(key in known for key in keys):
        return []
    columns = listed((*TRADE, *BESIDE_TRADE, *_SEALS))
    return [
        _trade_in(row)
        for (row_id, *key) in lenient_rows(ledger, "SELECT id, account, symbol FROM trade ORDER BY id", ())
        if tuple(key) not in known
        for row in lenient_rows(ledger, f"SELECT {columns} FROM trade WHERE id = ?", (row_id,))
    ]


def _position_in(row: Row) -> StoredPosition:
    position, fault = _read(position_of, row)
    if position is not None and _is_misspelt(lambda: position_row(position), row):
        fault = _MISSPELT
    return StoredPosition(
        key=PositionKey(*row[:3]),
        opened_by=row[OPEN_POSITION.index("opened_by")],
        position=position,
        fault=fault,
        unreadable=_unreadable(BESIDE_POSITION, row[len(OPEN_POSITION) : -2]),
        is_sealed=checksum_of(row[: len(OPEN_POSITION)]) == row[-2],
        beside_is_sealed=checksum_of(row[len(OPEN_POSITION) : -2]) == row[-1],
    )


def _is_misspelt(written: Callable[[], Row], row: Row) -> bool:
    """Return whether a row begins otherwise than the noun read from it would be written."""
    try:
        again = written()
    except (AssertionError, *UNREADABLE):
        # What booking never makes, such as a number that is none, cannot be written at all.
        return True
    return again != row[: len(again)]


def _trade_in(row: Row) -> StoredTrade:
    trade, fault = _read(trade_of, row)
    if trade is not None and _is_misspelt(lambda: trade_row(trade, row[0]), row):
        fault = _MISSPELT
    return StoredTrade(
        id=row[0],
        key=PositionKey(*row[1:4]),
        opened_by=row[TRADE.index("opened_by")],
        trade=trade,
        fault=fault,
        unreadable=_unreadable(BESIDE_TRADE, row[len(TRADE) : -2]),
        is_sealed=checksum_of(row[: len(TRADE)]) == row[-2],
        beside_is_sealed=checksum_of(row[len(TRADE) : -2]) == row[-1],
    )


def _unreadable(columns: Sequence[str], values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(
        name
        for name, value in zip(columns, values, strict=True)
        if name != _WORDS and _read(moment_or_none if name in _MOMENTS else decimal_or_none, value)[1]
    )


def _read(make: Callable[[Any], _Noun], stored: Any) -> tuple[_Noun | None, str]:
    """Return the noun and no fault, or no noun and the fault."""
    try:
        return make(stored), ""
    except UNREADABLE as error:
        return None, f"cannot be read ({error!r})"


# Not a function of our own: it is called for every text of the ledger.
