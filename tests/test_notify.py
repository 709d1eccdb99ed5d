"""What has happened is told to a command, and nobody ever waits for it."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dtcpos.notify import Complaints, Notifier

PYTHON = shlex.quote(sys.executable) if os.name != "nt" else f'"{sys.executable}"'


class Heard:
    """Sentences, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = 0.0

    def notifier(self, command: str, **other: float) -> Notifier[int]:
        return Notifier(
            command,
            render=str,
            say=self.lines.append,
            clock=lambda: self.now,
            environment=dict(os.environ),
            **other,  # type: ignore[arg-type]
        )


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    def write(code: str) -> str:
        path = tmp_path / "told.py"
        path.write_text(f"import sys, os, time\nfrom pathlib import Path\nhere = Path(__file__).parent\n{code}\n")
        return f"{PYTHON} {shlex.quote(str(path)) if os.name != 'nt' else path}"

    return write


TAKES_ALL = "with open(here / 'told', 'a') as out: out.write(sys.stdin.read())"


def told(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "told").read_text(encoding="utf-8").splitlines()]


def test_everything_is_told_in_order_and_once(tmp_path: Path, script: Callable[[str], str]) -> None:
    """However many runs it takes, each update is one line of one of them; closing waits for the last."""
    heard = Heard()
    notifier = heard.notifier(script(TAKES_ALL))
    for number in range(0, 3000, 3):
        notifier.tell([number, number + 1, number + 2])
    notifier.close(60)
    assert told(tmp_path) == list(range(3000))
    assert heard.lines == []


def test_a_command_that_hangs_never_blocks(tmp_path: Path, script: Callable[[str], str]) -> None:
    """What finds no room is dropped and counted; closing ends the command and whatever it has started."""
    heard = Heard()
    notifier = heard.notifier(script("(here / 'begun').touch(); time.sleep(600)"), waiting_max=10)
    notifier.tell([0])
    wait_for(tmp_path / "begun")
    notifier.tell(range(1, 10_000))
    notifier.close(0.05)
    assert not any(thread.name == "dtcpos-notify" for thread in threading.enumerate())
    drops = [int(line.split()[-9]) for line in heard.lines if "never reached it" in line]
    assert sum(drops) >= 9_999 - 10


def wait_for(path: Path) -> None:
    give_up = threading.Event()
    for _ in range(600):
        if path.exists():
            return
        give_up.wait(0.05)
    raise AssertionError(f"{path} does not come")


def test_a_command_that_takes_too_long_is_stopped(tmp_path: Path, script: Callable[[str], str]) -> None:
    """The next run gets what came meanwhile."""
    heard = Heard()
    code = "if not (here / 'begun').exists():\n    (here / 'begun').touch(); time.sleep(600)\n" + TAKES_ALL
    notifier = heard.notifier(script(code), timeout_s=1.5)
    notifier.tell([1])
    wait_for(tmp_path / "begun")
    notifier.tell([2])
    notifier.close(60)
    assert told(tmp_path) == [2]
    assert heard.lines == ["the --on-event command failed once (it was stopped after 1.5 s)"]


def test_a_command_that_fails_is_spoken_of(script: Callable[[str], str]) -> None:
    """Its exit code is said; what it does not read does no harm."""
    heard = Heard()
    notifier = heard.notifier(script("sys.exit(7)"))
    notifier.tell(range(1000))
    notifier.close(60)
    assert heard.lines[0] == "the --on-event command failed once (exit code 7)"


def test_failures_are_spoken_of_once_a_minute() -> None:
    """The first at once, then counted; the rest at the end."""
    heard = Heard()
    complaints = Complaints(heard.lines.append, lambda: heard.now)
    complaints.failed("exit code 1")
    for heard.now in (1.0, 30.0, 59.9):
        complaints.failed("exit code 2")
        complaints.dropped()
    assert heard.lines == ["the --on-event command failed once (exit code 1)"]
    heard.now = 60.0
    complaints.dropped()
    assert heard.lines[1:] == [
        "the --on-event command failed 3 times (exit code 2); 4 updates never reached it; it is too slow"
    ]
    complaints.dropped()
    complaints.speak_up()
    assert heard.lines[2:] == ["1 update never reached it; it is too slow"]
    complaints.speak_up()
    assert len(heard.lines) == 3
