"""`dtcpos doctor` and this computer: ledger, settings, time zones, disk."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from dtcpos.cli import premises
from dtcpos.cli.premises import ROOM_MIN, room_finding, zone_finding
from dtcpos.settings import TradingDay
from dtcpos.store import PositionRepository, WriterLock
from tests.cli.conftest import Shell
from tests.cli.doctoring import checked, faults, found, serving


def test_the_ledger_is_not_touched(shell: Shell) -> None:
    """Nothing is written: not a byte of the ledger changes, and nothing lies beside it that did not before."""
    before = {path.name: path.read_bytes() for path in shell.path.parent.iterdir()}
    with serving() as server:
        shell("doctor", server.address)
    after = {path.name: path.read_bytes() for path in shell.path.parent.iterdir()}
    assert after[shell.path.name] == before[shell.path.name]
    # Reading a file in WAL mode makes and leaves these, empty.
    assert after.keys() - before.keys() <= {f"{shell.path.name}-wal", f"{shell.path.name}-shm"}


def test_a_ledger_in_use_names_its_holder(shell: Shell, tmp_path: Path) -> None:
    """U2: who holds it and since when; the lock stays where it is, and the holder is not disturbed."""
    shell = Shell(tmp_path / "held.db")
    PositionRepository.open(shell.path).close()
    lock = WriterLock(shell.path)
    lock.acquire(1_795_867_200.0)
    try:
        with serving() as server:
            held = found(shell("doctor", server.address, "--json"), "lock", "warning")
        with pytest.raises(AssertionError):
            lock.acquire(0.0)
    finally:
        lock.release()
    assert f"process {os.getpid()} holds the ledger since 2026-11-28T" in held["found"]
    assert f"process {os.getpid()}" in held["remedy"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda path: path.write_bytes(b"no database at all, but long enough to be looked at" * 40),
            "is not a database",
        ),
        (lambda path: sqlite3.connect(path).execute("PRAGMA user_version = 999").connection.close(), "has schema 999"),
        (lambda path: (path.unlink(), path.mkdir()), "is a directory"),
    ],
    ids=["corrupt", "too new", "directory"],
)
def test_a_ledger_that_cannot_be_used(shell: Shell, spoil: Callable[[Path], object], words: str) -> None:
    """N14, N15: exit 5, and the server is looked at all the same."""
    with closing(sqlite3.connect(shell.path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    spoil(shell.path)
    with serving() as server:
        ran = shell("doctor", server.address, "--json", code=5)
    assert words in found(ran, "ledger")["found"]
    assert found(ran, "logon", "ok")


def test_a_damaged_page_is_found(shell: Shell) -> None:
    """N15: what opens may still be damaged."""
    with closing(sqlite3.connect(shell.path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        ((size, root),) = connection.execute(
            "SELECT (SELECT page_size FROM pragma_page_size), rootpage FROM sqlite_master WHERE name = 'fill'"
        )
    with shell.path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * 64)
    with serving() as server:
        assert "damaged" in found(shell("doctor", server.address, "--json", code=5), "ledger")["found"]


def test_an_unwritable_ledger(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """N14: asked of the operating system, because the administrator may write anything."""
    monkeypatch.setattr(premises, "may_write", lambda path: path != shell.path)
    with serving() as server:
        ran = shell("doctor", server.address, "--json", code=5)
    assert found(ran, "ledger")["found"] == f"{shell.path} may not be written"


def test_a_ledger_that_cannot_be_made(shell: Shell, tmp_path: Path) -> None:
    """N14: `connect` makes no folder for a ledger that was named; a file to come is no fault."""
    with serving() as server:
        absent = shell("doctor", server.address, "--db", str(tmp_path / "none" / "l.db"), "--json", code=5)
        assert found(shell("doctor", server.address, "--db", str(tmp_path / "l.db"), "--json"), "ledger", "ok")
    assert "there is no folder" in found(absent, "ledger")["found"]
    assert not (tmp_path / "l.db").exists()


def test_a_ledger_of_an_earlier_release(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next `connect` brings it up to date: to know, and nothing to mend."""
    monkeypatch.setattr("dtcpos.store.connection.SCHEMA_VERSION", 999)
    with serving() as server:
        assert "connect" in found(shell("doctor", server.address, "--json"), "ledger", "warning")["remedy"]


def test_little_room(tmp_path: Path) -> None:
    """N14: before the disk is full, not after."""
    assert room_finding(tmp_path / "l.db", lambda _: ROOM_MIN - 1).result == "fault"
    assert room_finding(tmp_path / "l.db", lambda _: ROOM_MIN).result == "ok"

    def broken(_: Path) -> int:
        raise OSError("no such device")

    assert room_finding(tmp_path / "l.db", broken).result == "warning"


def test_settings_that_cannot_be_read(shell: Shell, tmp_path: Path) -> None:
    """U4: an unknown key is named with the nearest known one, and the rest is looked at with the defaults."""
    (tmp_path / "settings.toml").write_text("[server]\nhots = 'trading-pc'\n", encoding="utf-8")
    with serving() as server:
        ran = shell("doctor", server.address, "--json", code=6)
    assert "hots is not a setting; did you mean host?" in found(ran, "settings")["found"]
    assert faults(ran) == {"settings"}


def test_missing_time_zones() -> None:
    """A computer without the database of time zones, Windows before `tzdata` is there."""
    code = (
        "import sys, zoneinfo\n"
        "sys.modules['tzdata'] = None\n"
        "zoneinfo.reset_tzpath(to=[])\n"
        "from dtcpos.cli.premises import zone_finding\n"
        "from dtcpos.settings import TradingDay\n"
        "print(zone_finding(TradingDay()).remedy)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "pip install tzdata" in ran.stdout
    assert zone_finding(TradingDay()).result == "ok"


def test_beside_a_connect_that_runs(shell: Shell) -> None:
    """U1: the ledger in use by a living `connect` is fine, and `connect` goes on."""
    with (
        serving() as server,
        subprocess.Popen(
            [sys.executable, "-m", "dtcpos", "connect", server.address, "--db", str(shell.path), "--json"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        ) as following,
    ):
        guard = threading.Timer(60, following.kill)
        guard.start()
        assert following.stdout is not None
        assert any('"synced"' in line for line in following.stdout)
        held = checked(shell("doctor", server.address, "--json"))["lock"]
        server.perform("fill 120005 BUY 1 MESZ26-CME @ 6851 id E-2 order 1002")
        assert any('"E-2"' in line for line in following.stdout)
        following.terminate()
        following.communicate(timeout=30)
        guard.cancel()
    assert f"process {following.pid} holds the ledger" in held["found"]
    with PositionRepository.open(shell.path) as repository:
        assert repository.positions()
