"""Copying a ledger that is in use."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from dtcpos.errors import LedgerCorrupt, LedgerMissing, OutputUnwritable
from dtcpos.store import LedgerReader, PositionRepository
from dtcpos.store.backup import back_up
from tests.store.ledgers import fill, fill_small


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    with PositionRepository.open(path) as repository:
        fill_small(repository)
    return path


def test_a_copy_is_the_ledger(ledger: Path, tmp_path: Path) -> None:
    """N15: one file with the same content, which opens for reading and for writing."""
    target = tmp_path / "copy.db"
    size = back_up(ledger, target)
    assert size == target.stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    assert not target.with_name("copy.db-wal").exists()
    with LedgerReader.open(ledger) as before, LedgerReader.open(target) as after:
        assert after.content_hash() == before.content_hash()
    with PositionRepository.open(target, create=False) as repository, repository.transaction():
        repository.add_fills([fill(repository.next_fill_id(), 99)])


def test_what_is_still_in_the_log_is_copied_and_what_is_not_committed_is_not(ledger: Path, tmp_path: Path) -> None:
    """U1: while another connection writes: what it has committed, and nothing else."""
    target = tmp_path / "copy.db"
    with PositionRepository.open(ledger) as writer:
        with writer.transaction():
            writer.add_fills([fill(writer.next_fill_id(), 50, execution_id="committed")])
        with writer.transaction():
            writer.add_fills([fill(writer.next_fill_id(), 51, execution_id="not yet")])
            back_up(ledger, target)
    with LedgerReader.open(target) as copy:
        assert copy.find_executions("Sim1", ["committed", "not yet"]).keys() == {"committed"}


def test_an_earlier_copy_is_replaced_whole(ledger: Path, tmp_path: Path) -> None:
    """N14: the new one takes the place of the old one at once."""
    target = tmp_path / "copy.db"
    target.write_bytes(b"an earlier copy")
    back_up(ledger, target)
    with LedgerReader.open(target) as copy:
        assert copy.integrity() == "ok"


def test_a_damaged_ledger_is_not_copied(ledger: Path, tmp_path: Path) -> None:
    """N15: a backup that cannot be restored is worse than none; the earlier one stays."""
    target = tmp_path / "copy.db"
    target.write_bytes(b"an earlier copy")
    with sqlite3.connect(ledger) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'fill'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    octets = bytearray(ledger.read_bytes())
    octets[(page - 1) * size : (page - 1) * size + 8] = b"\x7f" * 8
    ledger.write_bytes(octets)
    with pytest.raises(LedgerCorrupt, match="nothing was copied"):
        back_up(ledger, target)
    assert target.read_bytes() == b"an earlier copy"
    assert sorted(path.name for path in tmp_path.glob(".copy*")) == []


def test_places_that_cannot_be_written_are_named(ledger: Path, tmp_path: Path) -> None:
    """N14: the folder that is not there, and the file that is a folder."""
    with pytest.raises(OutputUnwritable, match="cannot be written"):
        back_up(ledger, tmp_path / "absent" / "copy.db")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OutputUnwritable, match="cannot be written"):
        back_up(ledger, folder)
    assert sorted(path.name for path in tmp_path.glob(".folder*")) == []


def test_no_ledger_no_copy(tmp_path: Path) -> None:
    """N14: nothing is made where nothing was."""
    with pytest.raises(LedgerMissing):
        back_up(tmp_path / "absent.db", tmp_path / "copy.db")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="other systems have other permissions")
def test_the_copy_may_be_read_by_whom_the_ledger_may(ledger: Path, tmp_path: Path) -> None:
    """U1: the same permissions as the ledger's."""
    ledger.chmod(0o640)
    target = tmp_path / "copy.db"
    back_up(ledger, target)
    assert target.stat().st_mode & 0o777 == 0o640
