from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from dtcpos.errors import (
    LedgerCorrupt,
    LedgerError,
    LedgerForeign,
    LedgerMissing,
    LedgerTooNew,
    LedgerUnwritable,
)
from dtcpos.store import LedgerReader, PositionRepository
from dtcpos.store.connection import connect_writer, refusal_of
from dtcpos.store.schema import SCHEMA_VERSION
from tests.store.ledgers import LEDGERS, LIVE, MES, SIM, fill, fill_small, position, trade

OPENERS = [pytest.param(PositionRepository.open, id="writer"), pytest.param(LedgerReader.open, id="reader")]
Opener = type[PositionRepository] | type[LedgerReader]


def one_line(error: LedgerError, path: Path) -> str:
    text = str(error)
    assert "\n" not in text
    assert str(path) in text
    return text


def ledger(path: Path) -> Path:
    with PositionRepository.open(path) as repository:
        fill_small(repository)
    return path


def released() -> list[Path]:
    return sorted(LEDGERS.glob("*.sql"))


def loaded(fixture: Path, path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.executescript(fixture.read_text(encoding="utf-8"))
    connection.close()
    return path


@pytest.mark.parametrize("fixture", released(), ids=lambda fixture: fixture.stem)
def test_a_ledger_of_every_released_schema_is_taken_up(fixture: Path, tmp_path: Path) -> None:
    """N14: an older file is migrated in place and loses nothing."""
    path = loaded(fixture, tmp_path / "l.db")
    with PositionRepository.open(path) as repository:
        assert repository.database.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert [one.id for one in repository.fills_of_key("Sim1", MES)] == [1, 2]
        assert repository.find_executions("120005", ["21105928.94042"]) == {"21105928.94042": 4}
        assert list(repository.positions()) == [LIVE]
        with repository.transaction():
            assert repository.next_fill_id() == 5
            assert repository.add_trades([trade(7, 8, 9)]) == [2]
    with LedgerReader.open(path) as reader:
        assert reader.integrity(indexes=True) == "ok"
        assert list(reader.unsound_fills()) == []


def test_every_schema_version_has_its_fixture() -> None:
    """N14: no version is released without a file of it to migrate."""
    assert [int(fixture.stem) for fixture in released()] == list(range(1, SCHEMA_VERSION + 1))


def test_a_new_ledger_has_the_schema_of_the_newest_fixture(tmp_path: Path) -> None:
    """N14: a schema that is released does not change under its number."""
    definitions = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
    with (
        PositionRepository.open(loaded(released()[-1], tmp_path / "old.db")) as old,
        PositionRepository.in_memory() as new,
    ):
        assert old.database.execute(definitions).fetchall() == new.database.execute(definitions).fetchall()


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    """N2: a second start finds the ledger as it was left."""
    path = ledger(tmp_path / "l.db")
    with PositionRepository.open(path) as one:
        before = one.content_hash()
    with PositionRepository.open(str(path)) as again:
        assert again.content_hash() == before
        assert (again.database.execute("PRAGMA journal_mode").fetchone(), again.path) == (("wal",), path)
        assert again.database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_an_older_ledger_is_read_after_a_writer_brought_it_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N14: a reader cannot migrate, so it says which command does."""
    path = ledger(tmp_path / "l.db")
    monkeypatch.setattr("dtcpos.store.connection.SCHEMA_VERSION", SCHEMA_VERSION + 1)
    with pytest.raises(LedgerError, match="to upgrade it") as caught:
        LedgerReader.open(path)
    one_line(caught.value, path)


def test_a_missing_ledger_is_made_only_by_who_may(tmp_path: Path) -> None:
    """N14: a listing makes no file, and says how one comes to be."""
    path = tmp_path / "l.db"
    for opening in (lambda: LedgerReader.open(path), lambda: PositionRepository.open(path, create=False)):
        with pytest.raises(LedgerMissing, match="dtcpos connect") as caught:
            opening()
        one_line(caught.value, path)
    path.touch()
    with pytest.raises(LedgerMissing):
        LedgerReader.open(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_database_without_a_table_is_no_ledger_yet(tmp_path: Path) -> None:
    """N14: a writer killed before its first commit leaves what the next one completes."""
    path = tmp_path / "l.db"
    connect_writer(path).close()
    assert path.stat().st_size
    with pytest.raises(LedgerMissing):
        LedgerReader.open(path)
    ledger(path)
    LedgerReader.open(path).close()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """N14: a folder is made only where that was asked for."""
    path = tmp_path / "deep" / "er" / "l.db"
    with pytest.raises(LedgerUnwritable, match="does not exist"):
        PositionRepository.open(path)
    PositionRepository.open(path, create_folder=True).close()
    with pytest.raises(LedgerUnwritable, match="cannot be made"):
        PositionRepository.open(path / "below" / "l.db", create_folder=True)
    with pytest.raises(LedgerError):
        LedgerReader.open(path / "below" / "l.db")


@pytest.mark.parametrize("opening", OPENERS)
def test_a_newer_ledger_is_refused(opening: type[PositionRepository], tmp_path: Path) -> None:
    """N14: what a newer version wrote is left alone."""
    path = ledger(tmp_path / "l.db")
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(LedgerTooNew, match="install a newer dtcpos") as caught:
        opening(path)  # type: ignore[operator]
    one_line(caught.value, path)


@pytest.mark.parametrize("opening", OPENERS)
@pytest.mark.parametrize(
    "statement", ["CREATE TABLE bookmarks (url)", "PRAGMA application_id = 7", "PRAGMA user_version = 3"]
)
def test_the_database_of_another_program_is_refused(opening: object, statement: str, tmp_path: Path) -> None:
    """N14: a file that is not ours is neither read nor written."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerForeign) as caught:
        opening(path)  # type: ignore[operator]
    one_line(caught.value, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("opening", OPENERS)
@pytest.mark.parametrize("content", [b"not a database at all, " * 50, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_what_is_no_database_is_refused(opening: object, content: bytes, tmp_path: Path) -> None:
    """N14: a file that SQLite cannot read is called what it is."""
    path = tmp_path / "l.db"
    path.write_bytes(content)
    with pytest.raises(LedgerCorrupt) as caught:
        opening(path)  # type: ignore[operator]
    one_line(caught.value, path)


def test_a_full_disk_is_named_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """N14: the batch that did not fit is not in the file at all, and after repair the next one is."""
    path = ledger(tmp_path / "l.db")
    with PositionRepository.open(path) as repository:
        before = repository.content_hash()
        pages = repository.database.execute("PRAGMA page_count").fetchone()[0]
        repository.database.execute(f"PRAGMA max_page_count = {pages}").fetchone()
        batch = [fill(n, n, raw="x" * 2000) for n in range(10, 60)]

        def book() -> None:
            with repository.transaction():
                repository.put_position(position())
                repository.add_fills(batch)

        with pytest.raises(LedgerUnwritable, match="disk is full") as caught:
            book()
        one_line(caught.value, path)
        assert repository.content_hash() == before
        repository.database.execute("PRAGMA max_page_count = 100000").fetchone()
        book()
        assert repository.count_of_key("Sim1", MES) == 52


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let an open file be removed")
def test_a_ledger_that_went_away_takes_no_commit(tmp_path: Path) -> None:
    """N14: a commit into a removed file would be lost, so it is refused; the file put back is complete."""
    folder, aside = tmp_path / "here", tmp_path / "aside"
    folder.mkdir()
    with PositionRepository.open(ledger(folder / "l.db")) as repository:
        folder.rename(aside)
        with pytest.raises(LedgerUnwritable, match="no longer at its path"):
            repository.set_preference("mode", "LIVE")
        aside.rename(folder)
        repository.set_preference("mode", "SIM")
        shutil.rmtree(folder)
        with pytest.raises(LedgerUnwritable):
            repository.set_preference("mode", "LIVE")


READ_ONLY = """
import os, sys
from dtcpos.errors import LedgerUnwritable
from dtcpos.store import LedgerReader, PositionRepository, WriterLock
# Everything is loaded before the rights to read it are given up.
PositionRepository.in_memory().close()
os.setgid(65534); os.setuid(65534)
path = sys.argv[1]
for opening in (lambda: PositionRepository.open(path), lambda: WriterLock(path).acquire(0.0)):
    try:
        opening()
    except LedgerUnwritable as error:
        print(error)
with LedgerReader.open(path) as reader:
    print(len(list(reader.fills())))
"""


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only the superuser can become someone else")
def test_a_file_of_someone_else_is_read_and_not_written(tmp_path: Path) -> None:
    """N14: in a folder that cannot be written listings work, and a writer is told what to allow."""
    path = ledger(tmp_path / "l.db")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and folder != Path("/") and "pytest" in str(folder):
            folder.chmod(0o755)
    run = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(path)], capture_output=True, text=True, check=False, timeout=60,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    lines = run.stdout.splitlines()
    assert len(lines) == 3, run.stderr
    assert "allow writing" in lines[0]
    assert "allow writing" in lines[1]
    assert lines[2] == "3"


def test_a_read_only_connection_is_named_for_what_it_is(tmp_path: Path) -> None:
    """N14: the file that turned read-only while it was open is refused as unwritable."""
    path = ledger(tmp_path / "l.db")
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as caught:
        connection.execute("DELETE FROM preference")
    connection.close()
    assert isinstance(refusal_of(caught.value, path), LedgerUnwritable)


def test_a_mistake_of_ours_is_no_fault_of_the_file(tmp_path: Path) -> None:
    """N14: a wrong statement is not explained away as a damaged ledger."""
    with PositionRepository.open(tmp_path / "l.db") as repository, pytest.raises(sqlite3.OperationalError) as caught:
        repository.database.conn.execute("SELECT nothing FROM nowhere")
    assert refusal_of(caught.value, tmp_path) is None


def test_a_flipped_byte_is_found_and_named(tmp_path: Path) -> None:
    """N15: a byte changed behind SQLite's back is found by the fill's checksum, even where no rule is broken."""
    path = ledger(tmp_path / "l.db")
    content = path.read_bytes()
    at = content.index(b"6850.25")
    path.write_bytes(content[:at] + b"6851.25" + content[at + 7 :])
    with LedgerReader.open(path) as reader:
        assert reader.integrity() == "ok"
        assert list(reader.unsound_fills()) == [1]


@pytest.mark.parametrize("damage", [b"68\xff0.25", b"68x0.25"])
def test_a_damaged_row_is_called_damaged(damage: bytes, tmp_path: Path) -> None:
    """N15: bytes that are no text, or no number, are a damaged ledger and not an internal error."""
    path = ledger(tmp_path / "l.db")
    content = path.read_bytes()
    at = content.index(b"6850.25")
    path.write_bytes(content[:at] + damage + content[at + 7 :])
    with LedgerReader.open(path) as reader:
        assert list(reader.unsound_fills()) == [1]
        with pytest.raises(LedgerCorrupt) as caught:
            list(reader.fills())
        one_line(caught.value, path)
        with pytest.raises(LedgerCorrupt):
            reader.fills_of_key("Sim1", MES)


def test_a_damaged_page_is_found(tmp_path: Path) -> None:
    """N15: what SQLite itself can see is reported in its words."""
    path = ledger(tmp_path / "l.db")
    content = bytearray(path.read_bytes())
    content[2048 * 4 : 2048 * 5] = b"\xaa" * 2048
    path.write_bytes(content)
    with LedgerReader.open(path) as reader:
        assert reader.integrity(indexes=True) != "ok"


def test_opening_a_ledger_leaves_its_folder_clean(tmp_path: Path) -> None:
    """N14: after a clean end there is one file, that can be copied as it is."""
    path = ledger(tmp_path / "l.db")
    assert list(tmp_path.iterdir()) == [path]
    with PositionRepository.open(path) as repository:
        assert SIM not in repository.positions()


def test_a_mistake_in_a_sound_ledger_stays_a_mistake(tmp_path: Path) -> None:
    """N15: what goes wrong while a ledger is open is blamed on the file only where the file is damaged."""
    path = ledger(tmp_path / "l.db")
    with pytest.raises(TypeError, match="ours"), PositionRepository.open(path):
        raise TypeError("ours")
    with pytest.raises(TypeError, match="ours"), LedgerReader.open(path):
        raise TypeError("ours")
    with pytest.raises(TypeError, match="closed"), LedgerReader.open(path) as reader:
        reader.close()
        raise TypeError("closed")
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE contact")
    connection.close()
    refused = pytest.raises(LedgerCorrupt, match="table contact is not as dtcpos makes it")
    with refused as caught, LedgerReader.open(path):
        raise TypeError("theirs")
    one_line(caught.value, path)
