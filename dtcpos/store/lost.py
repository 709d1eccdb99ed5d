"""What a ledger has lost: rows that are no longer there, and which keys a damaged or missing fill may belong to.

Fills, entries of the journal and breaks are numbered without a gap and never removed, so a gap is a row that was lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from dtcpos.store.audit import lenient_rows
from dtcpos.store.queries import LedgerQueries
from dtcpos.store.repository import PositionRepository

_Name = tuple[str, str]
# Of each table, how a row of it is called.
NUMBERED: Final = {"fill": "fill", "journal": "journal", "break_": "break"}
_COUNTED: Final = ("trade", "break_")
_GAPS: Final = (
    "SELECT before + 1, id - 1 FROM (SELECT id, lag(id, 1, 0) OVER (ORDER BY id) AS before FROM {table}) "
    "WHERE id > before + 1 ORDER BY id"
)
# What was booked for a fill is journaled under its key; of a burst only the last fill is named.
_JOURNALED: Final = "SELECT DISTINCT account, symbol FROM journal WHERE fill_id = ? AND symbol <> ''"
# A fill may stand for one of another key only where that was damaged.
_TOUCHED: Final = "SELECT account, symbol FROM fill WHERE id = ?1 OR id = (SELECT supersedes FROM fill WHERE id = ?1)"
_MISSING_MAX: Final = 50


def missing_rows(ledger: LedgerQueries, table: str) -> list[tuple[int, int]]:
    """Return the first and the last id of every gap in the numbers of a table."""
    ((count, last),) = lenient_rows(ledger, f"SELECT count(*), coalesce(max(id), 0) FROM {table}", ())
    return [] if count == last else [(row[0], row[1]) for row in lenient_rows(ledger, _GAPS.format(table=table), ())]


def missing_words(table: str, gap: tuple[int, int]) -> str:
    """Return in words that the rows of a gap were lost."""
    first, last = gap
    rows = f"{first} is" if first == last else f"{first} to {last} are"
    return f"{NUMBERED[table]} {rows} missing; restore a backup"


def keys_hurt(ledger: LedgerQueries, fills: Iterable[int]) -> set[_Name] | None:
    """Return every account and symbol that fills, damaged or missing, may belong to; None where that may be any.

    What a damaged fill says of its key may be the damage, so the journal is asked too.
    """
    found: set[_Name] = set()
    for done, fill_id in enumerate(fills):
        journaled = lenient_rows(ledger, _JOURNALED, (fill_id,))
        if not journaled or done == _MISSING_MAX:
            return None
        found.update((row[0], row[1]) for row in (*journaled, *lenient_rows(ledger, _TOUCHED, (fill_id,))))
    return found


def counters_behind(ledger: LedgerQueries) -> Iterator[tuple[str, int]]:
    """Yield every table whose counter would give an id again that is in use, and the greatest of its ids."""
    for table in _COUNTED:
        ((last,),) = lenient_rows(ledger, f"SELECT coalesce(max(id), 0) FROM {table}", ())
        told = lenient_rows(ledger, "SELECT seq FROM sqlite_sequence WHERE name = ?", (table,))
        if last and not (len(told) == 1 and isinstance(told[0][0], int) and told[0][0] >= last):
            yield table, last


def counter_words(table: str) -> str:
    """Return in words that a counter is behind."""
    return f"file: the counter of table {table} would give an id again that is in use"


def advance_counter(repository: PositionRepository, table: str, last: int) -> None:
    """Have the next row of a table numbered after its last one."""
    repository._write("DELETE FROM sqlite_sequence WHERE name = ?", [(table,)])
    repository._write("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", [(table, last)])
