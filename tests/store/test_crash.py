from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dtcpos.errors import LedgerLocked
from dtcpos.store import LedgerReader, PositionRepository, WriterLock
from dtcpos.store.lock import Holder
from tests.store.ledgers import MES

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from dtcpos.store import PositionRepository
from tests.store.ledgers import SIM, fill, position, trade
repository = PositionRepository.open(sys.argv[1])
batch = 0
while True:
    with repository.transaction():
        first = repository.next_fill_id()
        repository.add_fills([fill(first + n, batch) for n in range(3)])
        repository.add_trades([trade(first, batch, batch)])
        repository.put_position(position(SIM, opened_by=first + 2, seconds=batch))
    batch += 1
    print(first + 2, flush=True)
"""

HOLDER = """
import sys
from dtcpos.store import WriterLock
lock = WriterLock(sys.argv[1])
lock.acquire(1795183800.0)
print("held", flush=True)
sys.stdin.read()
"""


def started(script: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def ended(child: subprocess.Popen[str]) -> str:
    child.kill()
    rest, _ = child.communicate(timeout=30)
    return rest


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path, acknowledged: int) -> None:
    """N1: after SIGKILL every acknowledged batch is there, whole, and readers find it in the log that was left."""
    path = tmp_path / "l.db"
    child = started(WRITER, path)
    assert child.stdout is not None
    last = 0
    for _ in range(acknowledged):
        last = int(child.stdout.readline())
    rest = ended(child).split()
    last = int(rest[-1]) if rest else last
    with LedgerReader.open(path) as reader:
        fills = [one.id for one, _ in reader.fills()]
        assert fills == list(range(1, len(fills) + 1))
        assert last <= len(fills) <= last + 3
        assert len(fills) == 3 * len(list(reader.trades()))
        assert reader.positions()[0].position.opened_by == len(fills)
        assert reader.integrity(indexes=True) == "ok"
    with PositionRepository.open(path) as repository, repository.transaction():
        assert repository.next_fill_id() == len(fills) + 1


def test_a_second_process_is_refused_and_told_who_holds(tmp_path: Path) -> None:
    """U2: the refusal names the holder and since when; the lock is free when the holder dies."""
    path = tmp_path / "l.db"
    child = started(HOLDER, path)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        lock = WriterLock(path)
        with pytest.raises(LedgerLocked) as caught:
            lock.acquire(0.0)
        told = f"process {child.pid} since 2026-11-20T14:10:00Z"
        assert str(caught.value) == f"ledger {path} is in use by {told}; stop it or use another --db"
        assert lock.holder() == Holder(pid=child.pid, since="2026-11-20T14:10:00Z")
    finally:
        ended(child)
    lock.acquire(0.0)
    assert lock.holder() == Holder(pid=os.getpid(), since="1970-01-01T00:00:00Z")
    with lock:
        pass
    assert lock.holder() is None


def test_within_one_process_the_lock_is_shared(tmp_path: Path) -> None:
    """U2: several keepers of one program may use one ledger; the last one to go lets go."""
    one, other = WriterLock(tmp_path / "l.db"), WriterLock(str(tmp_path / "." / "l.db"))
    one.acquire(0.0)
    other.acquire(5.0)
    one.release()
    one.release()
    child = started(HOLDER, tmp_path / "l.db")
    assert child.wait(30) != 0
    ended(child)
    other.release()
    child = started(HOLDER, tmp_path / "l.db")
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    ended(child)


def test_a_lock_file_without_sense_names_nobody(tmp_path: Path) -> None:
    """U2: the operating system's lock decides; what is written beside it is only a courtesy."""
    lock = WriterLock(tmp_path / "l.db")
    assert lock.holder() is None
    for content in ("", "{", "[]", "{}", '{"pid": "x", "since": 1}'):
        lock.path.write_text(content, encoding="utf-8")
        assert lock.holder() is None
    lock.acquire(0.0)
    lock.release()


def test_two_processes_may_make_one_ledger(tmp_path: Path) -> None:
    """U1: whoever comes second finds the schema made and makes no second one."""
    path = tmp_path / "l.db"
    script = "import sys\nfrom dtcpos.store import PositionRepository\nPositionRepository.open(sys.argv[1]).close()"
    children = [started(script, path) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    for child in children:
        ended(child)
    with PositionRepository.open(path) as repository:
        assert repository.count_of_key("Sim1", MES) == 0
