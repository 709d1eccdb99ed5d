"""Opening a ledger file, and naming what is wrong with one that cannot be used."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from dtcpos.errors import (
    LedgerCorrupt,
    LedgerError,
    LedgerForeign,
    LedgerLocked,
    LedgerMissing,
    LedgerTooNew,
    LedgerUnwritable,
)
from dtcpos.store.schema import APPLICATION_ID, SCHEMA_VERSION

# Long enough for another process's batch to be flushed by a slow disk, short enough to be a refusal and not a hang.
BUSY_TIMEOUT_S: Final = 5.0
# The default of 128 is fewer than the statements the writer keeps warm.
_STATEMENTS_CACHED: Final = 256
_MARK_AT: Final = 68
_LOG_ATTEMPTS_MAX: Final = 50
_LOG_SIZE_KEPT: Final = 8 << 20
_LOG_PAUSE_S: Final = 0.1


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open the file for writing, in WAL mode with every commit flushed; raise LedgerError if it cannot be.

    The connection begins no transaction by itself. It may be used by another thread than the one that opened it, by
    one at a time.
    """
    _refuse_special(path)
    _refuse_log_of_another(path)
    try:
        connection = sqlite3.connect(
            path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS_CACHED,
        )
    except sqlite3.Error as error:
        raise _named(error, path) from error
    try:
        if not _identify(connection, path):
            # A fill dirties eight pages, and a commit writes each whole: at half the default size one takes 1.2 times a
            # bare commit instead of 1.3, and groups of fills are as fast.
            connection.execute("PRAGMA page_size = 2048")
        _use_log(connection)
        configure_writer(connection)
    except sqlite3.Error as error:
        connection.close()
        raise _named(error, path) from error
    except LedgerError:
        connection.close()
        raise
    return connection


def _use_log(connection: sqlite3.Connection) -> None:
    # Changing the journal needs the file for itself, and SQLite does not wait for that by its busy timeout.
    for attempt in range(_LOG_ATTEMPTS_MAX):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or attempt + 1 == _LOG_ATTEMPTS_MAX:
                raise
            time.sleep(_LOG_PAUSE_S)
        else:
            return


def configure_writer(connection: sqlite3.Connection) -> None:
    """Set what holds for a connection and not for its file."""
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # As many bytes of the log between two checkpoints as SQLite's default has with its own page size, which is twice
    # ours: half as many checkpoints take a thirtieth off the time of a backlog.
    connection.execute("PRAGMA wal_autocheckpoint = 2000")
    # A reader that holds a moment still makes the log grow; once it has let go, the log is cut back to this.
    connection.execute(f"PRAGMA journal_size_limit = {_LOG_SIZE_KEPT}")
    # 32 MiB: the default of 2 MiB is less than the indexes of an active account.
    connection.execute("PRAGMA cache_size = -32768")
    # macOS only, where fsync may leave the bytes in the drive's cache; elsewhere it changes nothing.
    connection.execute("PRAGMA fullfsync = ON")


class Patience(NamedTuple):
    """How long a writer waits for others beyond the busy timeout, and what it calls, once, when that begins."""

    seconds: float
    tell: Callable[[], None]


def begin(connection: sqlite3.Connection, patience: Patience | None) -> None:
    """Begin a transaction that may write; raise sqlite3.Error where other writers leave no room for it in time.

    Whoever waits has lost nothing: what it was about to write is still in its hands.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if patience is None or error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        patience.tell()
        give_up_at = time.monotonic() + patience.seconds
        while not _has_begun(connection, give_up_at):
            pass


def _has_begun(connection: sqlite3.Connection, give_up_at: float) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up_at:
            raise
        return False
    return True


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open the file for reading, beside a writer if there is one; raise LedgerError if it cannot be.

    What a crashed writer left in the `-wal` file is read too. In a folder that cannot be written the shared index of
    the log cannot be made; there the file is read as it is, and only where no log is left that would be missed.
    """
    _refuse_special(path)
    _refuse_log_of_another(path)
    _refuse_absent(path)
    try:
        return _read_only(path, immutable=False)
    except sqlite3.OperationalError as error:
        wal = path.with_name(path.name + "-wal")
        no_index = error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY"))
        if no_index and not (wal.exists() and wal.stat().st_size):
            return _read_immutable(path)
        raise _named(error, path) from error
    except sqlite3.Error as error:
        raise _named(error, path) from error


def _read_immutable(path: Path) -> sqlite3.Connection:
    try:
        return _read_only(path, immutable=True)
    except sqlite3.Error as error:
        raise _named(error, path) from error


def _read_only(path: Path, *, immutable: bool) -> sqlite3.Connection:
    uri = path.resolve().as_uri()
    if not uri.startswith("file:///"):
        # A Windows share: SQLite takes no host in the authority, only as the beginning of the path.
        uri = uri.replace("file://", "file:////", 1)
    connection = sqlite3.connect(
        f"{uri}?mode=ro{'&immutable=1' if immutable else ''}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        version = _identify(connection, path)
        if version < SCHEMA_VERSION:
            _refuse_old(version, path)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_beside(path: Path) -> sqlite3.Connection | None:
    """Open for reading a file this process has open already; None where it cannot be opened once more.

    Not by `connect_reader`, which looks into the file itself: closing that look would drop the locks that every other
    connection of this process holds on it (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
    """
    try:
        return _read_only(path, immutable=False)
    except (sqlite3.Error, LedgerError):
        return None


def _refuse_special(path: Path) -> None:
    if path.is_dir():
        raise LedgerUnwritable(f"{path} is a directory; name a file, for example {path / 'ledger.db'}, with --db")
    # Whoever may write a device, such as a disk, would lose what is on it.
    if path.exists() and not path.is_file():
        raise LedgerUnwritable(f"{path} is a pipe or a device and no file; name another with --db")


def _refuse_log_of_another(path: Path) -> None:
    """Refuse a backup that took the place of a ledger whose log was left behind by a crash.

    SQLite would put the pages of that log into it. Bytes 18 and 19 of the header are 2 in a file that has a log of its
    own, and 1 in a backup: https://www.sqlite.org/fileformat.html#file_format_version_numbers.
    """
    log = path.with_name(path.name + "-wal")
    try:
        if not log.stat().st_size:
            return
        with path.open("rb") as file:
            versions = file.read(20)[18:]
    except OSError:
        return
    if versions == b"\x01\x01":
        raise LedgerError(f"{log} was left by another ledger than the one restored to {path}; move it away")


def _refuse_absent(path: Path) -> None:
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        size = 0
    except OSError as error:
        raise LedgerUnwritable(f"ledger {path} cannot be read ({error.strerror}); check the path") from error
    if not size:
        raise LedgerMissing(f"no ledger at {path}; run `dtcpos connect` to start one, or name another with --db")


def _refuse_old(version: int, path: Path) -> None:
    if version == 0:
        raise LedgerMissing(f"no ledger at {path} yet; run `dtcpos connect` to start one, or name another with --db")
    raise LedgerError(
        f"ledger {path} has schema {version}, this dtcpos reads {SCHEMA_VERSION}; run `dtcpos connect` to upgrade it"
    )


def _identify(connection: sqlite3.Connection, path: Path) -> int:
    """Return the schema version of a ledger, 0 for a file without any table; refuse any other file."""
    ((application,),) = connection.execute("PRAGMA application_id")
    ((version,),) = connection.execute("PRAGMA user_version")
    try:
        ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_master")
    except UnicodeDecodeError as error:
        # What SQLite says of a broken schema quotes it, and its bytes may be no text any more.
        raise LedgerCorrupt(f"ledger {path} is damaged in its schema; restore a backup") from error
    if application != APPLICATION_ID and (application or version or tables):
        raise LedgerForeign(f"{path} is a database of another program; name another file with --db")
    if version > SCHEMA_VERSION:
        raise LedgerTooNew(
            f"ledger {path} has schema {version}, this dtcpos knows {SCHEMA_VERSION}; install a newer dtcpos"
        )
    return int(version) if application == APPLICATION_ID else 0


def refusal_of(error: sqlite3.Error, path: Path | str) -> LedgerError | None:
    """Return the refusal a database error stands for, None where it is a mistake of ours.

    The names are SQLite's result codes, https://www.sqlite.org/rescode.html; an extended code begins with its primary.
    """
    name = getattr(error, "sqlite_errorname", "")
    for prefix, refusal, words in _REFUSALS:
        if name.startswith(prefix):
            return refusal(f"ledger {path} {words} ({error})")
    # A flipped byte of the header's format number is told under the code of a wrong statement.
    if "unsupported file format" in str(error):
        return LedgerCorrupt(f"ledger {path} is damaged in its header; restore a backup ({error})")
    # A text column whose bytes are no UTF-8 any more is found by Python, so SQLite has no code for it.
    if not name and "decode" in str(error):
        return LedgerCorrupt(f"ledger {path} is damaged; run `dtcpos verify`, then restore a backup ({error})")
    return None


def is_marked(path: Path) -> bool:
    """Return whether a file bears the mark of a ledger where its header has it, whatever else is damaged.

    Byte 68 of https://www.sqlite.org/fileformat.html#the_database_header.
    """
    try:
        with path.open("rb") as file:
            return file.read(_MARK_AT + 4)[_MARK_AT:] == APPLICATION_ID.to_bytes(4, "big")
    except OSError:
        return False


def _named(error: sqlite3.Error, path: Path) -> Exception:
    return refusal_of(error, path) or error


_REFUSALS: Final[tuple[tuple[str, type[LedgerError], str], ...]] = (
    ("SQLITE_FULL", LedgerUnwritable, "cannot grow: the disk is full; free some space and run again"),
    ("SQLITE_READONLY", LedgerUnwritable, "is read-only; allow writing to the file and its folder"),
    ("SQLITE_PERM", LedgerUnwritable, "may not be written; allow writing to the file and its folder"),
    ("SQLITE_CANTOPEN", LedgerUnwritable, "cannot be opened; check that its folder exists and may be written"),
    ("SQLITE_IOERR", LedgerUnwritable, "cannot be read or written; check the disk"),
    ("SQLITE_NOTADB", LedgerCorrupt, "is not a database; restore a backup or name another file with --db"),
    ("SQLITE_CORRUPT", LedgerCorrupt, "is damaged; run `dtcpos verify`, then restore a backup"),
    ("SQLITE_BUSY", LedgerLocked, "is being written by another process; wait for it or use another --db"),
    ("SQLITE_LOCKED", LedgerLocked, "is being written by another process; wait for it or use another --db"),
)
