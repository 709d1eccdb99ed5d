"""`connect --log-file`: what a process that runs for good leaves to read, and that it never stops for it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dtcpos.cli.log_file import LogFile
from dtcpos.sim import SimulatedServer, parse_dialogue
from tests.crash.commands import ROOT, finished

SESSION = """
account Sim1
symbol MES tick 0.25 value 1.25
history-burst 3 Sim1 MES @ 5000
start connect
--
"""
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  ")


class Desk:
    """Logs with a clock that is set by hand, and what is said about them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "connect.log"
        self.now = datetime(2026, 11, 20, 14, 0, 0, 123_456, UTC)
        self.said: list[str] = []
        self.open: list[LogFile] = []

    def log(self, path: Path | None = None, *, size_max: int = 10_000_000, keep: int = 5) -> LogFile:
        log = LogFile(path or self.path, size_max=size_max, keep=keep, say=self.said.append, clock=lambda: self.now)
        self.open.append(log)
        return log

    def lines(self, path: Path | None = None) -> list[str]:
        return [line[26:] for line in (path or self.path).read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(autouse=True)
def _all_closed(desk: Desk) -> object:
    yield
    for log in desk.open:
        log.close()


def test_a_line_is_a_line(desk: Desk) -> None:
    """With its time in UTC; what a server sends can forge no second one and no escape of a terminal."""
    log = desk.log()
    log.write("alert     ü\n2026-11-20T14:00:00.000Z  ended\r\nwith \x1b[31m\u2028 and \ud800")
    assert desk.path.read_text(encoding="utf-8") == (
        "2026-11-20T14:00:00.123Z  alert     ü; 2026-11-20T14:00:00.000Z  ended; with \\x1b[31m; and \\ud800\n"
    )


def test_secrets_are_never_written(desk: Desk) -> None:
    """Whoever says them."""
    log = desk.log()
    log.hide("")
    log.hide("hunter2")
    log.write("Invalid password hunter2 for hunter2")
    assert desk.lines() == ["Invalid password *** for ***"]


def test_rotation(desk: Desk) -> None:
    """No file grows beyond its size, the newest old one is .1, and no more stay than are to be kept."""
    log = desk.log(size_max=1_000, keep=2)
    for number in range(200):
        log.write(f"line {number:03}")
    files = sorted(path.name for path in desk.path.parent.iterdir())
    assert files == ["connect.log", "connect.log.1", "connect.log.2"]
    assert all((desk.path.parent / name).stat().st_size <= 1_000 for name in files)
    kept = [line for name in reversed(files) for line in desk.lines(desk.path.parent / name)]
    assert kept == [f"line {number:03}" for number in range(200 - len(kept), 200)]
    assert desk.said == []


def test_a_file_that_cannot_be_renamed_grows_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows renames nothing that another process has open: no line is lost, it is said once and tried again."""
    log = desk.log(size_max=1_000)
    refusals: list[str] = []

    def refuse(source: str, _target: str) -> None:
        refusals.append(source)
        raise PermissionError(13, "in use by another process")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        for number in range(100):
            log.write(f"line {number:03}")
    assert desk.lines() == [f"line {number:03}" for number in range(100)]
    assert 2 <= len(refusals) <= 4
    why = "no new file can be begun (in use by another process)"
    assert desk.said == [f"the log {desk.path} cannot be written: {why}; the ledger is kept all the same"]
    for number in range(100):
        log.write(f"line {number:03}")
    assert desk.path.stat().st_size <= 1_000


def test_a_file_that_was_replaced_is_opened_anew(desk: Desk) -> None:
    """By another process that rotated it, by logrotate, or by somebody who removed it."""
    one, other = desk.log(size_max=1_000), desk.log(size_max=1_000)
    for number in range(60):
        (one, other)[number % 2].write(f"line {number:03}")
    found = [line for path in desk.path.parent.iterdir() for line in desk.lines(path)]
    assert sorted(found) == [f"line {number:03}" for number in range(60)]
    if os.name == "posix":
        desk.path.unlink()
        one.write("again")
        assert desk.lines() == ["again"]


_WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from dtcpos.cli.log_file import LogFile
log = LogFile(Path(sys.argv[1]), size_max=100_000_000, keep=1, say=print, clock=lambda: datetime.now(UTC))
for number in range(500):
    log.write(f"{sys.argv[2] * 300} {number:03}")
log.close()
"""


def test_two_processes_may_write_to_one_file(desk: Desk) -> None:
    """Every line whole."""
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(desk.path), letter], cwd=ROOT) for letter in "ab"]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    lines = desk.lines()
    assert sorted(lines) == sorted(f"{letter * 300} {number:03}" for letter in "ab" for number in range(500))


@pytest.mark.parametrize("kind", ["folder", "below a file", "no folder"])
def test_a_place_that_cannot_be_written(desk: Desk, tmp_path: Path, kind: str) -> None:
    """One clear line, once an hour; writing goes on when it can."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    path = {"folder": tmp_path, "below a file": tmp_path / "file" / "log", "no folder": tmp_path / "x" / "log"}[kind]
    log = desk.log(path)
    log.write("one")
    log.write("two")
    assert len(desk.said) == 1
    assert desk.said[0].startswith(f"the log {path} cannot be written: ")
    desk.now += timedelta(hours=1)
    log.write("three")
    assert len(desk.said) == 2
    if kind == "no folder":
        path.parent.mkdir()
        log.write("four")
        assert desk.lines(path) == ["four"]


def test_a_line_that_was_cut_is_ended(desk: Desk) -> None:
    """After a full disk or a lost machine the next line is one of its own."""
    desk.path.write_text("2026-11-20T14:00:00.000Z  half a li", encoding="utf-8")
    log = desk.log()
    log.write("next")
    assert desk.lines() == ["half a li", "next"]


def connected(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    with SimulatedServer(parse_dialogue(SESSION, name="log")) as server:
        return finished("connect", server.address, "--once", "--db", folder / "ledger.db", *words)


def test_connect_writes_what_it_prints(tmp_path: Path) -> None:
    """Each line printed is a line of the file, between how it began and how it ended; --json or not."""
    log = tmp_path / "connect.log"
    ran = connected(tmp_path, "--config", "", "--log-file", str(log))
    lines = log.read_text(encoding="utf-8").splitlines()
    assert all(STAMP.match(line) for line in lines)
    texts = [line[26:] for line in lines]
    assert re.fullmatch(r"dtcpos [\d.]+\S* connect, process \d+", texts[0])
    assert texts[1:-1] == ran.stdout.splitlines()
    assert texts[-1] == "ended with exit code 0"


def test_connect_writes_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How it failed, too, and what a notifier complains of; the settings name the file; no secret is in it."""
    monkeypatch.setenv("DTCPOS_PASSWORD", "hunter2")
    log, settings = tmp_path / "connect.log", tmp_path / "settings.toml"
    settings.write_text(
        f"[log]\nfile = '{log}'\n[notify]\non_event = 'exit 7'\n[server]\nusername = 'me'\n", encoding="utf-8"
    )
    script = f'user me other\nrefuse-logon "hunter2 is wrong"{SESSION}'
    with SimulatedServer(parse_dialogue(script, name="log")) as server:
        words = ["--db", str(tmp_path / "ledger.db"), "--config", str(settings)]
        ran = finished("connect", server.address, *words)
    assert ran.returncode == 3
    text = log.read_text(encoding="utf-8")
    assert "hunter2" not in text
    assert "  the --on-event command failed once (exit code 7)\n" in text
    assert "ended with exit code 3: " in text.splitlines()[-1]
    assert "*** is wrong" in text.splitlines()[-1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_the_log_stops_nothing(tmp_path: Path) -> None:
    """N14: one line, and every fill is booked."""
    ran = connected(tmp_path, "--config", "", "--log-file", "/dev/full")
    assert ran.returncode == 0
    assert ran.stderr == (
        "dtcpos: the log /dev/full cannot be written: No space left on device; the ledger is kept all the same\n"
    )
    assert ran.stdout.count("fill ") >= 3
