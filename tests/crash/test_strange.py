"""Files that are no ledger, and a ledger that is taken away or left in pieces: refused in one line, or mended."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import LedgerReader, PositionRepository
from tests.cli.conftest import Ran
from tests.crash.commands import PATIENCE_S, ROOT, ended, finished, started, until
from tests.crash.test_disk import VENUE, run
from tests.crash.test_kill_anywhere import sound
from tests.outcome import assert_true
from tests.pair import Pair

COMMANDS = (
    ("positions",),
    ("positions", "--json"),
    ("tail",),
    ("status",),
    ("verify",),
    ("rebuild",),
    ("switch", "SIM"),
    ("export", "fills"),
    ("backup", "copy.db"),
    ("connect", "127.0.0.1:1", "--once", "--timeout", "0.1"),
)


OTHERS = ("link to nothing", "folder", "text", "another program's")


def one_line(ran: Ran | subprocess.CompletedProcess[str], path: Path) -> None:
    """Check that a command was refused with exit code 5 and one line that names the path."""
    code, complaint = (ran.code, ran.err) if isinstance(ran, Ran) else (ran.returncode, ran.stderr)
    assert code == 5, ran
    assert complaint.count("\n") == 1, complaint
    assert str(path) in complaint, complaint


def strange(folder: Path, kind: str) -> Path:
    """Put something at a path that is no ledger and cannot become one."""
    path = folder / "ledger.db"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "circle":
            path.symlink_to(path)
        case "link to nothing":
            path.symlink_to(folder / "nowhere" / "ledger.db")
        case "folder":
            path.mkdir()
        case "text":
            path.write_text("this is no database, and long enough for that to be seen\n" * 40, encoding="utf-8")
        case "another program's":
            with sqlite3.connect(path) as connection:
                connection.execute("CREATE TABLE bookmarks (url)")
            connection.close()
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and links are made otherwise there")
@pytest.mark.parametrize(
    "kind",
    ["pipe", "device", "circle", *(pytest.param(kind, marks=pytest.mark.long) for kind in OTHERS)],
)
def test_what_is_no_ledger_is_refused_by_every_command(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N14: exit 5 and one line with the path, whoever looks or writes; what is there stays as it is."""
    monkeypatch.chdir(tmp_path)
    path = strange(tmp_path, kind)
    before = path.read_bytes() if kind in ("text", "another program's") else b""
    for words in COMMANDS:
        ran = run(*words, "--db", path)
        one_line(ran, path)
        # Not even opened: whoever may write a device would lose what is on it.
        assert kind not in ("pipe", "device") or "is a pipe or a device" in ran.err
    left = {one.name for one in tmp_path.iterdir()}
    assert left <= {"ledger.db", "ledger.db.lock"}
    assert not before or path.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
@pytest.mark.parametrize("what", [pytest.param("file", marks=pytest.mark.long), "folder"])
def test_a_ledger_taken_away_from_connect_ends_it(tmp_path: Path, what: str) -> None:
    """N14: exit 5 and one line as soon as something is to be booked; put back, the next run is complete."""
    folder, aside = tmp_path / "here", tmp_path / "aside"
    folder.mkdir()
    path = folder / "ledger.db"
    with SimulatedServer(parse_dialogue(VENUE, name="away")) as server:
        child = started("connect", server.address, "--json", "--db", path, "--config", "")
        try:
            until(child, event="synced")
            moved = path if what == "file" else folder
            moved.rename(aside)
            server.perform("fill Sim1 BUY 1 MES @ 5050 id L-1")
            output, complaints = child.communicate(timeout=PATIENCE_S)
        finally:
            ended(child)
        one_line(subprocess.CompletedProcess([], child.returncode, output, complaints), path)
        assert "L-1" not in output
        aside.rename(moved)
        again = finished("connect", server.address, "--once", "--db", path, "--config", "")
        assert again.returncode == 0, again.stderr
        sound(path)
        with LedgerReader.open(path) as reader:
            assert_true(reader, server.venue)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are those of Unix")
@pytest.mark.parametrize("size", [*(pytest.param(size, marks=pytest.mark.long) for size in (0, 4_096)), 60_000])
def test_a_limit_of_the_operating_system_on_the_size_of_files_is_a_full_disk(tmp_path: Path, size: int) -> None:
    """N14: exit 5 and one line; where there is room again, the next run is complete."""
    import resource

    path = tmp_path / "ledger.db"
    words = [sys.executable, "-m", "dtcpos", "connect"]
    with SimulatedServer(parse_dialogue(VENUE, name="limit")) as server:
        limited = subprocess.run(
            [*words, server.address, "--once", "--db", str(path), "--config", ""],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
        )  # fmt: skip
        one_line(limited, path)
        assert run("connect", server.address, "--once", "--db", path).code == 0
        sound(path)
        with LedgerReader.open(path) as reader:
            assert_true(reader, server.venue)


def test_a_log_without_its_ledger_is_no_ledger(tmp_path: Path) -> None:
    """N14: what is left beside a file that is gone means nothing; a new ledger is made, and the server fills it."""
    path, wal = tmp_path / "ledger.db", tmp_path / "ledger.db-wal"
    killed(tmp_path / "old.db")
    shutil.move(tmp_path / "old.db-wal", wal)
    one_line(run("positions", "--db", path), path)
    assert wal.exists()
    with SimulatedServer(parse_dialogue(VENUE, name="log")) as server:
        assert run("connect", server.address, "--once", "--db", path).code == 0
        sound(path)
        with LedgerReader.open(path) as reader:
            assert_true(reader, server.venue)


def killed(path: Path) -> None:
    """Leave a ledger as a killed `connect` does, with its last commits in the log."""
    aside = path.with_name("whole.db")
    with PositionRepository.open(aside) as repository:
        pair = Pair(repository=repository).connect().settle()
        pair.fill("+1 MES @ 5000", id="a-1", order="1").fill("+2 MES @ 5004", id="a-2", order="2")
        repository.database.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        pair.perform("tick MES 4990", "tick MES 5020").fill("-3 MES @ 5010", id="a-3", order="3")
        pair.fill("+2 MES @ 5002", id="a-4", order="4").perform("order Sim1 77 SELL 2 MES stop 4980", "tick MES 4999")
        pair.fill("-1 MNQ @ 18000", id="b-1", order="5", account="120005").settle().reconnect().settle()
        for ending in ("", "-wal"):
            shutil.copy(f"{aside}{ending}", f"{path}{ending}")
        pair.lose()
    aside.unlink()


def test_a_backup_is_not_read_with_the_log_of_the_ledger_it_replaces(tmp_path: Path) -> None:
    """N14: what a killed process left beside the old file would be put into the new one: refused until it is gone."""
    path, copy, wal = tmp_path / "ledger.db", tmp_path / "copy.db", tmp_path / "ledger.db-wal"
    killed(tmp_path / "old.db")
    assert run("backup", copy, "--db", tmp_path / "old.db").code == 0
    killed(path)
    copy.replace(path)
    before = path.read_bytes(), wal.read_bytes()
    for words in COMMANDS:
        ran = run(*words, "--db", path)
        one_line(ran, path)
        assert f"{wal} was left by another ledger" in ran.err
    assert (path.read_bytes(), wal.read_bytes()) == before
    wal.unlink()
    assert run("rebuild", "--db", path).code == 0
    sound(path)
