"""Mending what is derived from the ledger: the tables of the projections, and every index.

Inside a transaction of the repository, so that a file which cannot be mended stays as it was.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from dtcpos.errors import LedgerCorrupt
from dtcpos.model import Position, PositionKey
from dtcpos.store.audit import Progress, faults_of, leniently, schema_faults
from dtcpos.store.repository import PositionRepository
from dtcpos.store.seals import BESIDE_POSITION_SEAL, BESIDE_TRADE_SEAL
from dtcpos.store.statements import OF_POSITION

_PROJECTIONS: Final = ("open_position", "trade")
# What a column says that says nothing, where that is not NULL.
_EMPTY: Final = {"comparison": "''"}


def refuse_misshapen(repository: PositionRepository) -> None:
    """Raise LedgerCorrupt where the schema is not as dtcpos makes it."""
    misshapen = schema_faults(repository)
    if misshapen:
        raise LedgerCorrupt(f"ledger {repository.path} is damaged in its schema ({misshapen[0]}); restore a backup")


def mend_structure(repository: PositionRepository, progress: Progress) -> None:
    """Make a file sound again in which only projections or indexes are damaged.

    The tables of the projections are made anew with the rows that can still be read, and every index is written
    again from its table. Raise LedgerCorrupt where faults remain: the ledger itself is damaged.
    """
    connection = repository._connection
    assert connection.in_transaction, "a file that cannot be mended must stay as it was"
    try:
        with leniently(repository):
            for table in _PROJECTIONS:
                _make_anew(connection, table)
        connection.execute("REINDEX")
        left = faults_of(repository, progress)
    except sqlite3.DatabaseError as error:
        left = [str(error)]
    if left:
        raise LedgerCorrupt(f"ledger {repository.path} is damaged beyond its projections ({left[0]}); restore a backup")


def _make_anew(connection: sqlite3.Connection, table: str) -> None:
    statements = [
        sql
        for (sql,) in connection.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type IN ('table', 'index') AND sql IS NOT NULL "
            "ORDER BY type DESC",
            (table,),
        )
    ]
    # A rebuilt trade never takes the id of an earlier one: an export's cursor may have passed it.
    last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    connection.execute(f"CREATE TEMP TABLE salvaged AS SELECT * FROM {table} WHERE 0")
    width = len(connection.execute("SELECT * FROM salvaged").description)
    row_of = f"VALUES ({', '.join('?' * width)})"
    _copy(connection, f"SELECT * FROM main.{table} NOT INDEXED", f"INSERT INTO salvaged {row_of}")
    connection.execute(f"DROP TABLE {table}")
    for statement in statements:
        connection.execute(statement)
    _copy(connection, "SELECT * FROM salvaged", f"INSERT INTO {table} {row_of}")
    connection.execute("DROP TABLE salvaged")
    if last is not None:
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, last[0]))


def _copy(connection: sqlite3.Connection, select: str, insert: str) -> None:
    """Copy every row that can be read and that the table takes."""
    rows = connection.execute(select)
    while (row := _next(rows)) is not None:
        try:
            connection.execute(insert, row)
        except sqlite3.IntegrityError:
            continue


def _next(rows: sqlite3.Cursor) -> tuple[object, ...] | None:
    try:
        row: tuple[object, ...] | None = rows.fetchone()
    except sqlite3.DatabaseError:
        # Beyond a broken page there is nothing to be read; the replay gives those rows again.
        return None
    return row


def remove_other_positions(repository: PositionRepository, kept: set[PositionKey]) -> None:
    """Remove every open position that is none of those kept, whatever bytes its key has become."""
    raw = {tuple(part.encode() for part in key) for key in kept}
    columns = "CAST(mode AS BLOB), CAST(account AS BLOB), CAST(symbol AS BLOB)"
    for row in repository._rows(f"SELECT {columns} FROM open_position"):
        if tuple(row) not in raw:
            repository._write(f"DELETE FROM open_position WHERE ({columns}) = (?, ?, ?)", [row])


def put_again(repository: PositionRepository, position: Position) -> None:
    """Store what booking made of a position whose row was damaged; what the server agreed with is what it made."""
    key = position.key
    agreed = repository._rows(f"SELECT agreed_quantity FROM open_position {OF_POSITION}", key)
    repository.put_position(position)
    for row in agreed:
        repository._set_of_position(("agreed_quantity",), key, row)


def forget_beside(repository: PositionRepository, table: str, columns: tuple[str, ...], row: int | PositionKey) -> None:
    """Empty columns kept beside a booking: of a trade by its id, of a position by its key."""
    if not columns:
        return
    names = ", ".join(f"{column} = {_EMPTY.get(column, 'NULL')}" for column in columns)
    found: tuple[object, ...] = (row,) if isinstance(row, int) else row
    condition = "WHERE id = ?" if isinstance(row, int) else "WHERE mode = ? AND account = ? AND symbol = ?"
    seal = BESIDE_TRADE_SEAL if isinstance(row, int) else BESIDE_POSITION_SEAL
    repository._write(f"UPDATE {table} SET {names} {condition}", [found])
    repository._write(f"{seal.again} {condition}", [found])
