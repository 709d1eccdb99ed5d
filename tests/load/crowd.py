"""Many who read and some who write, all at once, until a server has told everything it has to tell."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from dtcpos.store import LedgerReader
from tests.crash.commands import finished
from tests.importers.writing import told

TERMS = """
account Sim1
account 120005
symbol MES tick 0.25 value 1.25
symbol MNQ tick 0.25 value 0.50
start connect
"""

# Fine, attention needed, and, before the first session is up, no line.
_CALM = frozenset({0, 3, 6})


class Crowd:
    """Threads that do one thing again and again until the gate is closed; what they did is counted, faults are kept."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.faults: list[BaseException] = []
        self._threads: list[threading.Thread] = []
        self._is_over = threading.Event()
        self._guard = threading.Lock()

    def join(self, name: str, deed: Callable[[], None], *, of: int = 1) -> None:
        """Let so many of a kind begin; each does its deed at least once."""
        for _ in range(of):
            thread = threading.Thread(target=self._repeat, args=(name, deed), name=name)
            self._threads.append(thread)
            thread.start()

    def leave(self, patience_s: float) -> None:
        """Let everybody finish what they are about, and raise the first fault there was."""
        self._is_over.set()
        for thread in self._threads:
            thread.join(patience_s)
            assert not thread.is_alive(), f"{thread.name} hangs"
        if self.faults:
            raise self.faults[0]

    def _repeat(self, name: str, deed: Callable[[], None]) -> None:
        try:
            while True:
                deed()
                with self._guard:
                    self.done[name] += 1
                if self._is_over.is_set():
                    return
        # Whatever it is, the test has to see it, and a thread would swallow an assertion like anything else.
        except BaseException as fault:  # noqa: BLE001
            self.faults.append(fault)


def reads(path: Path) -> Callable[[], None]:
    """Return what a program that reads the ledger does: everything a listing needs, from one moment."""

    def deed() -> None:
        with LedgerReader.open(path) as reader, reader.held_still():
            held = {holding.key: holding.position.signed_quantity for holding in reader.positions()}
            newest = list(reader.fills(last=20))
            closed = sum(1 for _ in reader.trades())
            assert len(held) <= len(reader.keys())
            assert newest or not closed
            reader.links()
            reader.open_breaks()

    return deed


def runs(*commands: Sequence[str | Path]) -> Callable[[], None]:
    """Return what a person or a cron job does: run each command, which must end calmly and without a word of a lock."""

    def deed() -> None:
        for command in commands:
            calm(finished(*command))

    return deed


def calm(ran: subprocess.CompletedProcess[str], codes: Iterable[int] = _CALM) -> str:
    """Check that a command ended as it should, and return what it printed."""
    assert ran.returncode in codes, (ran.args, ran.returncode, ran.stderr[-1000:])
    assert "Traceback" not in ran.stderr, ran.stderr
    assert "locked" not in ran.stderr.lower(), ran.stderr
    return ran.stdout


def told_rows(fills: int, account: str) -> list[dict[str, str]]:
    """Return the rows of a log of so many fills, in and out by turns, a second apart."""
    return [
        dict(
            told(
                "+1 @ 5050" if number % 2 == 0 else "-1 @ 5051",
                number,
                TradeAccount=account,
                FillExecutionServiceID=f"L-{number}",
                ServiceOrderID=number,
            )
        )
        for number in range(fills)
    ]
