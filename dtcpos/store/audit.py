"""The questions of an audit: rows as they stand, readable or not, and the ledger as it was at an earlier moment.

A row that a flipped byte has made unreadable is an answer here and not a fault, so that it can be named and mended.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from operator import methodcaller
from typing import Any, Final, Self

from dtcpos.errors import LedgerCorrupt
from dtcpos.model import Fill, Sighting
from dtcpos.store.columns import FILL, JOURNAL, SIGHTING, listed
from dtcpos.store.queries import ORDERS, LedgerQueries
from dtcpos.store.reader import LedgerReader
from dtcpos.store.records import journal_of, order_of
from dtcpos.store.rows import (
    Row,
    checksum_of,
    fill_of,
    moment_of,
    refined,
    sighting_of,
    time_text,
)

# Told a stage, how much of it is done, and of how much, 0 where nobody knows.
Progress = Callable[[str, int, int], None]

_PAST: Final = (
    f"SELECT {listed(FILL, 'f')} FROM fill f WHERE f.account = ? AND f.symbol = ? AND f.booked_at <= ? "
    "AND f.is_void = 0 AND NOT EXISTS (SELECT 1 FROM fill newer WHERE newer.supersedes = f.id AND newer.booked_at <= ?)"
)
_PAST_SIGHTINGS: Final = (
    f"SELECT {listed(SIGHTING, 's')} FROM resighting s JOIN fill f ON f.id = s.fill_id "
    "WHERE f.account = ? AND f.symbol = ? AND s.seen_at <= ?"
)
# What concerns an account and no symbol is a few entries of the journal, and one index finds them.
_MODES: Final = (
    "SELECT j.account, j.at, j.before, j.after FROM account a CROSS JOIN journal j ON j.account = a.account "
    "WHERE j.symbol = '' AND j.cause IN ('account', 'relabelled') ORDER BY a.account, j.id"
)
_CORRECTIONS: Final = (
    "SELECT min(newer.time, older.time), newer.booked_at FROM fill newer INDEXED BY fill_by_superseded "
    "JOIN fill older ON older.id = newer.supersedes "
    "WHERE newer.supersedes IS NOT NULL AND older.account = ? AND older.symbol = ?"
)
_CHECKED: Final = {
    "fill": f"SELECT {listed((*FILL, 'checksum'))} FROM fill ORDER BY id",
    "resighting": f"SELECT {listed((*SIGHTING, 'checksum'))} FROM resighting ORDER BY fill_id, source",
    "journal": f"SELECT {listed((*JOURNAL, 'checksum'))} FROM journal ORDER BY id",
}
_ENTRIES: Final = f"SELECT {listed(JOURNAL)} FROM journal ORDER BY id"
# So many rows go by between two words about them.
TOLD_EVERY: Final = 4096
# Steps of SQLite between two words about it: some tens of milliseconds.
_STEPS_BETWEEN: Final = 1_000_000
_MIGRATED: Final = "SELECT migration_set, name FROM _sqlite_migrations ORDER BY id"
_FAULTS_MAX: Final = 100


class AuditReader(LedgerReader):
    """A ledger open for reading whose every answer, inside `moment()`, is of one moment."""

    @contextmanager
    def moment(self) -> Iterator[Self]:
        """Hold the ledger as it is now, whatever a writer does meanwhile; damaged text is read as it stands."""
        with leniently(self):
            self._rows("BEGIN")
            try:
                yield self
            finally:
                # Not COMMIT: where a page is broken even the end of reading is refused.
                self._connection.rollback()

    def unreadable(self, progress: Progress, *, known: Collection[str] = ()) -> Iterator[str]:
        """Yield a line for each table around the ledger that holds a row which a listing could not read back.

        Tables that are `known` to be readable are passed over.
        """
        readings: dict[str, Callable[[], object]] = {
            "account": self.accounts,
            "instrument": self.instruments,
            "working_order": lambda: self._read_through(order_of, ORDERS, "orders", progress),
            "mark": self.marks,
            "break_": lambda: self.breaks(only_open=False),
            "link": self.links,
            "journal": lambda: self._read_through(journal_of, _ENTRIES, "journal", progress),
            "preference": lambda: self._rows("SELECT key, value FROM preference"),
            "_sqlite_migrations": lambda: self._nouns(_moment_in, "SELECT applied_at FROM _sqlite_migrations"),
        }
        for table, read in readings.items():
            if table in known:
                continue
            try:
                with strictly(self):
                    read()
            except LedgerCorrupt as error:
                yield f"table {table}: {error}"

    def _read_through(self, make: Callable[[Row], object], sql: str, stage: str, progress: Progress) -> None:
        """Make every noun of a table that grows, and keep none."""
        for done, row in enumerate(self._stream(sql)):
            if not done % TOLD_EVERY:
                progress(f"{stage} read", done, 0)
            self._made(make, row)

    def fills_of_key_at(self, account: str, symbol: str, moment: datetime) -> list[Fill]:
        """Return the fills of one account and symbol current at a moment, refined by what had been seen by then."""
        bound = time_text(moment)
        fills = self._nouns(fill_of, _PAST, (account, symbol, bound, bound))
        further: dict[int, list[Sighting]] = {}
        for sighting in self._nouns(sighting_of, _PAST_SIGHTINGS, (account, symbol, bound)):
            further.setdefault(sighting.fill_id, []).append(sighting)
        return [refined(fill, further.get(fill.id or 0, ())) for fill in fills]

    def modes_at(self, moment: datetime) -> dict[str, str]:
        """Return the mode each account was in at a moment, as journaled; one that was not known yet has its first."""
        modes: dict[str, str] = {}
        bound = time_text(moment)
        for account, at, before, after in self._rows(_MODES):
            if at <= bound:
                modes[account] = after
            else:
                modes.setdefault(account, before or after)
        return {known.account: modes.get(known.account, known.mode) for known in self.accounts()}


@contextmanager
def leniently(ledger: LedgerQueries) -> Iterator[None]:
    """Read text as it stands, whatever its bytes have become, instead of refusing what is no UTF-8."""
    with _text_read_by(_AS_IT_STANDS, ledger):
        yield


@contextmanager
def strictly(ledger: LedgerQueries) -> Iterator[None]:
    """Refuse what is no UTF-8, as every listing does."""
    with _text_read_by(str, ledger):
        yield


@contextmanager
def _text_read_by(factory: Callable[[bytes], str], ledger: LedgerQueries) -> Iterator[None]:
    connection = ledger._connection
    before, connection.text_factory = connection.text_factory, factory
    try:
        yield
    finally:
        connection.text_factory = before


def quietly(stage: str, done: int, of: int) -> None:
    """Tell nobody how far the work has come."""


def faults_of(ledger: LedgerQueries, progress: Progress = quietly) -> list[str]:
    """Return what SQLite finds wrong with the file, its indexes included; empty where nothing is."""
    connection = ledger._connection
    connection.set_progress_handler(lambda: progress("pages", 0, 0), _STEPS_BETWEEN)
    try:
        return faults_in(connection)
    finally:
        connection.set_progress_handler(None, 0)


def faults_in(connection: sqlite3.Connection) -> list[str]:
    """Return what SQLite finds wrong with the file of a connection."""
    try:
        rows = connection.execute(f"PRAGMA integrity_check({_FAULTS_MAX})").fetchall()
    except sqlite3.DatabaseError as error:
        return [str(error)]
    # One answer may be several lines, each a fault.
    found = [line.strip() for (text,) in rows for line in str(text).splitlines() if not line.startswith("***")]
    return [] if found == ["ok"] else found


def schema_faults(ledger: LedgerQueries) -> list[str]:
    """Return the names of tables, indexes, triggers and views that are not as dtcpos makes them."""
    from dtcpos.store.repository import PositionRepository

    sql = "SELECT type || ' ' || name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    with PositionRepository.in_memory() as fresh:
        expected: dict[str, str] = dict(fresh._rows(sql))
    try:
        found: dict[str, str] = dict(lenient_rows(ledger, sql, ()))
    except LedgerCorrupt as error:
        return [str(error)]
    return sorted(
        f"{name} is not as dtcpos makes it" for name in expected | found if expected.get(name) != found.get(name)
    )


def refuse_damage(ledger: LedgerQueries, error: BaseException) -> None:
    """Raise LedgerCorrupt from an error that somebody met in reading, if the file is not as dtcpos writes it."""
    try:
        ledger._connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        # Closed already: there is nothing to ask.
        return
    found = next(iter((*faults_of(ledger), *schema_faults(ledger))), None)
    if found is not None:
        words = f"is damaged ({found}); run `dtcpos verify`, then restore a backup"
        raise LedgerCorrupt(f"ledger {ledger.path} {words}") from error


def migration_faults(ledger: LedgerQueries) -> list[str]:
    """Return what the record of migrations says that dtcpos never wrote there."""
    from dtcpos.store.repository import PositionRepository

    with PositionRepository.in_memory() as fresh:
        expected = fresh._rows(_MIGRATED)
    found = lenient_rows(ledger, _MIGRATED, ())
    return [] if found == expected else ["table _sqlite_migrations does not say what dtcpos writes there"]


def unsound_fills(ledger: LedgerQueries, progress: Progress = quietly) -> Iterator[int]:
    """Yield the id of every fill whose columns are not what was booked, by its checksum."""
    for row in _unsound_rows(ledger, "fill", progress):
        yield row[0]


def unsound_sightings(ledger: LedgerQueries, progress: Progress = quietly) -> Iterator[tuple[int, str]]:
    """Yield the fill and the source of every further sighting whose columns are not what was written."""
    for row in _unsound_rows(ledger, "resighting", progress):
        yield row[0], row[1]


def unsound_entries(ledger: LedgerQueries, progress: Progress = quietly) -> Iterator[int]:
    """Yield the id of every entry of the journal whose columns are not what was written."""
    for row in _unsound_rows(ledger, "journal", progress):
        yield row[0]


def _unsound_rows(ledger: LedgerQueries, table: str, progress: Progress) -> Iterator[Row]:
    with leniently(ledger):
        for done, row in enumerate(ledger._stream(_CHECKED[table])):
            if not done % TOLD_EVERY:
                progress(f"checksums of {table}", done, 0)
            if checksum_of(row[:-1]) != row[-1]:
                yield row


def aware(text: str) -> datetime:
    """Return the moment a column holds; raise ValueError where it has no zone, and so cannot be compared."""
    moment = moment_of(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment


def modes_of(ledger: LedgerQueries) -> dict[str, str]:
    """Return the mode of every account, also where the rest of its row cannot be read."""
    rows = lenient_rows(ledger, "SELECT account, mode FROM account", ())
    return {str(account): str(mode) for account, mode in rows}


def corrections_of_key(ledger: LedgerQueries, account: str, symbol: str) -> list[tuple[datetime, datetime]]:
    """Return the time of every fill of a key that was replaced or voided, with when that was booked."""
    return ledger._nouns(_correction_of, _CORRECTIONS, (account, symbol))


def _moment_in(row: Row) -> datetime:
    return moment_of(row[0])


def _correction_of(row: Row) -> tuple[datetime, datetime]:
    return aware(row[0]), aware(row[1])


def lenient_rows(ledger: LedgerQueries, sql: str, parameters: tuple[Any, ...]) -> list[Row]:
    """Return the rows of a statement with their text as it stands."""
    with leniently(ledger):
        return ledger._rows(sql, parameters)


# Not a function of our own: it is called for every text of the ledger.
_AS_IT_STANDS: Final[Callable[[bytes], str]] = methodcaller("decode", "utf-8", "replace")
