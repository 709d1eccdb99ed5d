"""The writer's lock: one process a ledger, however processes race, fork, exec and die, on both kinds of system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from dtcpos.errors import LedgerLocked
from dtcpos.store import WriterLock, is_running, lock
from dtcpos.store.lock import Holder

ROOT = Path(__file__).parents[2]
NOON = 1_795_867_200.0
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the fake of Windows' locks is made of Linux' own")
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
KINDS = ["posix", pytest.param("windows", marks=ON_LINUX)]

# What a test types into these is their clock: a line is a step, and the end of the input is the end of the process.
CONTENDER = """
import sys
from dtcpos.errors import LedgerLocked
from {module} import {name}
lock = {made}
for _ in sys.stdin:
    mine = lock.WriterLock(sys.argv[1])
    try:
        mine.acquire({noon})
    except LedgerLocked as refusal:
        print("lost", refusal, flush=True)
    else:
        print("won", flush=True)
    sys.stdin.readline()
    mine.release()
    print("over", flush=True)
"""
FORKED = """
import os, sys
from dtcpos.store import WriterLock
mine = WriterLock(sys.argv[1])
mine.acquire(0.0)
if os.fork() == 0:
    if sys.argv[2] == "release":
        mine.release()
    print(os.getpid(), flush=True)
    sys.stdin.read()
    os._exit(0)
os.wait()
"""
EXECED = """
import os, subprocess, sys
from dtcpos.store import WriterLock
mine = WriterLock(sys.argv[1])
mine.acquire(0.0)
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], close_fds=False)
print(child.pid, flush=True)
child.wait()
"""


def contender(kind: str) -> str:
    module, name = ("tests.store.windows", "windows_lock") if kind == "windows" else ("dtcpos.store", "lock")
    made = "windows_lock()" if kind == "windows" else "lock"
    return CONTENDER.format(module=module, name=name, made=made, noon=NOON)


@contextmanager
def running(script: str, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate(timeout=60)


def say(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def hear(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_that_race_exactly_one_wins(tmp_path: Path, kind: str) -> None:
    """U2: fifty races for one ledger, each won by exactly one; who loses is told of the winner or of nobody yet."""
    path = tmp_path / "l.db"
    with running(contender(kind), path) as one, running(contender(kind), path) as other:
        for _ in range(50):
            say(one)
            say(other)
            told = {child.pid: hear(child) for child in (one, other)}
            winners = [pid for pid, words in told.items() if words == "won"]
            assert len(winners) == 1, told
            (lost,) = (words for words in told.values() if words != "won")
            assert f"in use by process {winners[0]} since 2026-11-28T" in lost or "by another process" in lost
            for child in (one, other):
                say(child)
                assert hear(child) == "over"


@pytest.mark.parametrize("kind", KINDS)
def test_the_lock_of_a_killed_process_is_free(tmp_path: Path, kind: str) -> None:
    """U2: the operating system drops it; the name that stays in the file keeps nobody out."""
    path = tmp_path / "l.db"
    with running(contender(kind), path) as first:
        say(first)
        assert hear(first) == "won"
        first.kill()
        first.wait(60)
        assert WriterLock(path).holder() == Holder(pid=first.pid, since="2026-11-28T12:00:00Z")
        with running(contender(kind), path) as second:
            say(second)
            assert hear(second) == "won"
            told = json.loads(WriterLock(path).path.read_text(encoding="utf-8"))
            assert told["pid"] == second.pid


@ON_LINUX
def test_windows_counts_its_holders_too(tmp_path: Path) -> None:
    """U2: on Windows, as far as a fake can say: shared within a process, refused to another, free after the last."""
    from tests.store.windows import windows_lock

    module = windows_lock()
    path = tmp_path / "l.db"
    one, other = module.WriterLock(path), module.WriterLock(path)
    one.acquire(NOON)
    other.acquire(NOON)
    one.release()
    with running(contender("windows"), path) as child:
        say(child)
        assert f"process {os.getpid()} since" in hear(child)
        other.release()
        say(child)
        assert hear(child) == "over"
        say(child)
        assert hear(child) == "won"
    assert module._try_lock is not lock._try_lock


@FORKS
@pytest.mark.parametrize("deed", ["stay", "release"])
def test_a_fork_neither_keeps_nor_gives_back_its_parents_lock(tmp_path: Path, deed: str) -> None:
    """U2: the lock is its parent's while that lives, whatever the child does, and free when it dies."""
    path = tmp_path / "l.db"
    with running(FORKED, path, deed) as parent:
        child = int(hear(parent))
        mine = WriterLock(path)
        with pytest.raises(LedgerLocked, match=f"process {parent.pid} since 1970"):
            mine.acquire(0.0)
        parent.kill()
        parent.wait(60)
        assert is_running(child)
        mine.acquire(0.0)
        mine.release()


def test_a_program_it_starts_inherits_nothing(tmp_path: Path) -> None:
    """U2: a command that outlives `connect` does not keep its ledger."""
    path = tmp_path / "l.db"
    with running(EXECED, path) as parent:
        child = int(hear(parent))
        parent.kill()
        parent.wait(60)
        assert is_running(child)
        mine = WriterLock(path)
        mine.acquire(0.0)
        mine.release()


@pytest.mark.parametrize("content", ['{"pid": Infinity, "since": 1}', '{"pid": NaN, "since": 1}', "\0" * 9, "9" * 5000])
def test_whatever_stands_in_the_file_names_nobody(tmp_path: Path, content: str) -> None:
    """U2: a torn or foreign lock file is no reason to fail."""
    mine = WriterLock(tmp_path / "l.db")
    mine.path.write_text(content, encoding="utf-8")
    assert mine.holder() is None
    mine.acquire(0.0)
    mine.release()


@pytest.mark.parametrize("pid", [0, -1, 1 << 31, 1 << 64])
def test_a_number_that_is_no_process_does_not_run(pid: int) -> None:
    """S3: 0 and below mean whole groups to the system, and what is too large would be an error of it."""
    assert not is_running(pid)


class FakeKernel:
    """Three calls of kernel32: for a process that runs, one that ended and is held open, another user's, and none."""

    def __init__(self) -> None:
        self.open: list[int] = []
        self.error = 0

    def OpenProcess(self, rights: int, inherit: bool, pid: int) -> int:
        assert (rights, inherit) == (0x0010_0000, False)
        self.error = {30: 5, 40: 87}.get(pid, 0)
        if self.error:
            return 0
        self.open.append(pid)
        return pid

    def WaitForSingleObject(self, handle: int, milliseconds: int) -> int:
        assert milliseconds == 0
        return 0x102 if handle == 10 else 0

    def CloseHandle(self, handle: int) -> None:
        self.open.remove(handle)


@pytest.mark.parametrize(
    ("pid", "runs"),
    [(10, True), (20, False), (30, True), (40, False)],
    ids=["running", "ended, still open elsewhere", "another user's", "none"],
)
def test_windows_is_asked_whether_a_process_runs(monkeypatch: pytest.MonkeyPatch, pid: int, runs: bool) -> None:
    """S3: on Windows, as far as a fake can say: a handle alone proves nothing, nor does being refused one."""
    import ctypes

    kernel = FakeKernel()
    monkeypatch.setattr("dtcpos.store.running.sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(ctypes, "WinDLL", lambda name, use_last_error: kernel, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: kernel.error, raising=False)
    assert is_running(pid) is runs
    assert not kernel.open
