"""What has happened is told to a command, and nobody ever waits for it."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dtcpos.notifying.command import OnEvent
from dtcpos.notifying.notifier import Complaints, Notifier, Tally

PYTHON = shlex.quote(sys.executable) if os.name != "nt" else f'"{sys.executable}"'


class Heard:
    """Sentences, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = 0.0

    def notifier(self, command: str, *, timeout_s: float = 30.0, waiting_max: int = 10_000) -> Notifier[int]:
        return Notifier(
            OnEvent(command, environment=dict(os.environ), timeout_s=timeout_s),
            render=str,
            say=self.lines.append,
            clock=lambda: self.now,
            waiting_max=waiting_max,
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
    assert notifier.tally.dropped >= 9_999 - 10
    assert notifier.tally.failed == 1
    assert notifier.tally.last_failure == "it was stopped at the end"
    assert heard.lines[0] == "the --on-event command never gets 1 update it is too slow for"
    assert heard.lines[-1].startswith("the --on-event command: 0 delivered, 1 failed (it was stopped at the end), ")


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
    assert heard.lines == [
        "the --on-event command failed once (it was stopped after 1.5 s)",
        "the --on-event command: 1 delivered, 1 failed (it was stopped after 1.5 s)",
    ]


def test_a_command_that_fails_is_spoken_of(script: Callable[[str], str]) -> None:
    """Its exit code is said; what it does not read does no harm."""
    heard = Heard()
    notifier = heard.notifier(script("sys.exit(7)"))
    notifier.tell(range(1000))
    notifier.close(60)
    assert heard.lines[0] == "the --on-event command failed once (exit code 7)"


def test_failures_are_spoken_of_once_a_kind() -> None:
    """Each kind when it first happens, then once an hour with their number; the last line counts them all."""
    heard = Heard()
    complaints = Complaints("it", heard.lines.append, lambda: heard.now)
    complaints.delivered(5)
    for heard.now in (0.0, 1.0, 30.0, 3599.9):
        complaints.failed("exit code 1")
        complaints.failed("exit code 2")
        complaints.dropped()
    assert heard.lines == [
        "it failed once (exit code 1)",
        "it failed once (exit code 2)",
        "it never gets 1 update it is too slow for",
    ]
    heard.now = 3600.0
    complaints.failed("exit code 2")
    complaints.dropped(2)
    assert heard.lines[3:] == ["it failed 4 times (exit code 2)", "it never gets 5 updates it is too slow for"]
    complaints.sum_up()
    assert heard.lines[5:] == ["it: 5 delivered, 5 failed (exit code 2), 4 failed (exit code 1), 6 dropped"]
    assert complaints.tally == Tally(delivered=5, failed=9, dropped=6, last_failure="exit code 2")


def test_what_went_well_needs_no_words(script: Callable[[str], str]) -> None:
    """Nothing is said where everything arrived; closing twice is closing once."""
    heard = Heard()
    notifier = heard.notifier(script("sys.stdin.read()"))
    notifier.tell(range(10))
    notifier.close(60)
    notifier.close(60)
    assert notifier.tally == Tally(delivered=10)
    assert heard.lines == []
