"""The writer's lock where its file is removed, replaced, or cannot be locked."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from dtcpos.errors import LedgerLocked, LedgerUnwritable
from dtcpos.store import WriterLock, lock
from tests.pair import Pair
from tests.store.test_crash import HOLDER, ended, started

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")


def held_elsewhere(path: Path) -> bool:
    """Return whether another process can take the lock."""
    child = started(HOLDER, path)
    assert child.stdout is not None
    took = child.stdout.readline() == "held\n"
    ended(child)
    return took


def test_a_lock_file_that_was_removed_is_made_and_locked_again(tmp_path: Path) -> None:
    """U2: a lock on a file that is gone keeps nobody out, so the holder takes it again as soon as it notices."""
    one = WriterLock(tmp_path / "l.db")
    one.acquire(0.0)
    one.confirm(1.0)
    one.path.unlink()
    one.confirm(2.0)
    assert not held_elsewhere(tmp_path / "l.db")
    other = tmp_path / "other"
    other.write_text("", encoding="utf-8")
    other.replace(one.path)
    one.confirm(3.0)
    assert not held_elsewhere(tmp_path / "l.db")
    one.release()
    one.confirm(4.0)
    assert held_elsewhere(tmp_path / "l.db")


def test_a_keeper_whose_lock_was_taken_over_stops_and_says_by_whom(tmp_path: Path) -> None:
    """U2: of two processes the one that came too late ends, naming the other; its ledger is as whole as before."""
    from dtcpos.store import PositionRepository

    path = tmp_path / "l.db"
    with PositionRepository.open(path) as repository:
        pair = Pair(repository=repository).connect().settle().fill("+1 MES @ 5000", id="E-1")
        path.with_name("l.db.lock").unlink()
        child = started(HOLDER, path)
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(LedgerLocked, match=f"in use by process {child.pid} since"):
            pair.wait(2.0)
        ended(child)
        assert pair.fills() == ["Sim1 +1 MES @ 5000 E-1"]


def test_a_lock_file_removed_while_it_was_taken_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """U2: locked but no longer at its path, it is opened once more."""
    one, real = WriterLock(tmp_path / "l.db"), lock._try_lock
    removed: list[int] = []

    def slowly(descriptor: int) -> bool:
        if not removed:
            one.path.unlink()
            removed.append(descriptor)
        return real(descriptor)

    monkeypatch.setattr(lock, "_try_lock", slowly)
    one.acquire(0.0)
    assert not held_elsewhere(tmp_path / "l.db")
    one.release()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_a_disk_that_knows_no_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """N14, U2: a folder of the network may refuse locks: exit 5 with the remedy, not a fault of ours."""
    import fcntl

    def refuses(_descriptor: int, _operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuses)
    with pytest.raises(LedgerUnwritable) as caught:
        WriterLock(tmp_path / "l.db").acquire(0.0)
    told = f"lock file {tmp_path / 'l.db.lock'} cannot be locked ({os.strerror(code)}); keep the ledger on a disk"
    assert str(caught.value).startswith(told)


def test_a_disk_without_room_for_the_holders_name_is_locked_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N14, U2: the name is a courtesy."""

    def full(_descriptor: int, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    one = WriterLock(tmp_path / "l.db")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        one.acquire(0.0)
    assert one.holder() is None
    assert not held_elsewhere(tmp_path / "l.db")
    one.release()
