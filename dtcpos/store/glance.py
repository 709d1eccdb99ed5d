"""The open positions at a glance, without the classes of the nouns, whose making takes longer than all the reading.

What is read has the attributes of the nouns under the same names, as far as a listing asks for them, so the rules about
them are the same code. Every value is converted as the nouns' own reader converts it: a damaged row is found here too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self, cast

from dtcpos.errors import LedgerError
from dtcpos.store.columns import ACCOUNT, BREAK, INSTRUMENT, LINK, OPEN_POSITION, SNAPSHOT, VERIFICATION, listed
from dtcpos.store.connection import connect_reader
from dtcpos.store.running import state_now
from dtcpos.words import PositionKey

if TYPE_CHECKING:
    from dtcpos.model import Account, Break, Link
    from dtcpos.store.nouns import Holding

# What a converter raises for a damaged row: other text, or NULL and a number where a broken record header left them.
UNREADABLE: Final = (ValueError, KeyError, ArithmeticError, TypeError, AttributeError)
# What may stop a glance.
FAULTS: Final = (sqlite3.Error, LedgerError, *UNREADABLE)

_KEPT: Final = ("target_price", "stop_price", *SNAPSHOT, "heat_since")
POSITIONS: Final = (
    f"SELECT {listed(OPEN_POSITION, 'p')}, {listed(VERIFICATION[3:], 'p')}, {listed(_KEPT, 'p')}, m.price, m.time, "
    f"{listed(INSTRUMENT, 'i')} FROM open_position p LEFT JOIN mark m ON m.symbol = p.symbol "
    "LEFT JOIN instrument i ON i.symbol = p.symbol"
)
OPEN_BREAKS: Final = f"SELECT {listed(BREAK)} FROM break_ WHERE answer = '' ORDER BY id"
ACCOUNTS: Final = f"SELECT {listed(ACCOUNT)} FROM account ORDER BY account"
LINKS: Final = f"SELECT {listed(LINK)} FROM link ORDER BY server"
PREFERENCE: Final = "SELECT value FROM preference WHERE key = ?"

_AMOUNTS: Final = frozenset(
    "signed_quantity cost realized opened_quantity opened_notional closed_notional peak_quantity commission "
    "trade_min_price trade_max_price mae mfe agreed_quantity target_price stop_price entry_vwap entry_cum_delta "
    "entry_poc initial_risk price point_value tick multiplier held_quantity held_average reported_quantity "
    "reported_average".split()
)
_TIMES: Final = frozenset(
    "entry_time updated_at agreed_at compared_at heat_since time first_seen_at last_sync_at found_at answered_at "
    "last_heard_at since".split()
)
# What the nouns give another name than their columns.
_NAMES: Final = {"trade_min_price": "price_min", "trade_max_price": "price_max", "comparison": "outcome"}
# What a row cannot be without; the database refuses NULL in all of these, a flipped byte does not.
_NEVER_NULL: Final = frozenset(
    "signed_quantity opened_quantity peak_quantity mae mfe price multiplier held_quantity first_seen_at found_at since "
    "flags".split()
)


class Glance:
    """A ledger, open for one look at what is held."""

    def __init__(self, path: Path) -> None:
        self._connection = connect_reader(path)

    def __enter__(self) -> Self:
        try:
            # One moment of the ledger, whatever a writer does meanwhile.
            self._connection.execute("BEGIN")
        except sqlite3.Error:
            self._connection.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def preference(self, key: str) -> str | None:
        """Return what was stored under the key, None if nothing was."""
        for (value,) in self._connection.execute(PREFERENCE, (key,)):
            return str(value)
        return None

    def accounts(self) -> list[Account]:
        """Return every account, by name."""
        return [cast("Account", _noun(ACCOUNT, row)) for row in self._connection.execute(ACCOUNTS)]

    def links(self) -> list[Link]:
        """Return the line to every server that was ever connected to, gone where its process is."""
        links = [_noun(LINK, row) for row in self._connection.execute(LINKS)]
        for link in links:
            link.state = state_now(link.state, link.holder_pid)
        return cast("list[Link]", links)

    def open_breaks(self) -> list[Break]:
        """Return the breaks nobody has answered yet, oldest first."""
        return [_break_of(row) for row in self._connection.execute(OPEN_BREAKS)]

    def positions(self, modes: Sequence[str] | None, account: str | None, symbol: str | None) -> Iterator[Holding]:
        """Yield the open positions selected, by mode, account and symbol; None selects all."""
        breaks: dict[tuple[str, str, str], list[Break]] = {}
        for found in self.open_breaks():
            breaks.setdefault(found.key, []).append(found)
        # Open positions are few, so those not asked for are passed over here.
        for row in self._connection.execute(f"{POSITIONS} ORDER BY 1, 2, 3"):
            if (
                (modes is None or row[0] in modes)
                and (account is None or row[1] == account)
                and (symbol is None or row[2] == symbol)
            ):
                yield _holding_of(row, tuple(breaks.get(row[:3], ())))


def _noun(columns: Sequence[str], row: Sequence[Any]) -> SimpleNamespace:
    values = {}
    for column, value in zip(columns, row, strict=True):
        if value is None:
            if column in _NEVER_NULL:
                raise TypeError(f"no {column}")
        elif column in _AMOUNTS:
            value = Decimal(value)  # noqa: PLW2901
            if not value.is_finite():
                raise ValueError(value)
        elif column in _TIMES:
            value = datetime.fromisoformat(value)  # noqa: PLW2901
        values[_NAMES.get(column, column)] = value
    return SimpleNamespace(**values)


def _break_of(row: Sequence[Any]) -> Break:
    found = _noun(BREAK, row)
    found.key = PositionKey(found.mode, found.account, found.symbol)
    return cast("Break", found)


_HOLDING: Final = (*OPEN_POSITION, *VERIFICATION[3:], *_KEPT)
_MARK: Final = ("price", "time")


def _holding_of(row: Sequence[Any], breaks: tuple[Break, ...]) -> Holding:
    kept = len(_HOLDING)
    mark, instrument = row[kept : kept + 2], row[kept + 2 :]
    found = _noun(_HOLDING, row[:kept])
    found.key = PositionKey(found.mode, found.account, found.symbol)
    found.flags = tuple(found.flags.split())
    found.is_flat = not found.signed_quantity
    found.direction = "LONG" if found.signed_quantity > 0 else "SHORT"
    # One row of the table is the position, what was verified of it and what is kept beside it.
    found.position = found.verification = found
    found.mark = None if mark[0] is None else _noun(_MARK, mark)
    found.instrument = None if instrument[0] is None else _noun(INSTRUMENT, instrument)
    found.breaks = breaks
    return cast("Holding", found)
