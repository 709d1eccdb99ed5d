"""Tell a command of the user's what has happened, and never wait for it.

Updates are put into a bounded queue and taken out by a thread. The command is run once for everything that has come
since it was last started, so one that is quick gets each batch as it happens and one that is slow gets fewer and longer
ones: JSON on its standard input, an object a line.

Invariants:
1. `tell` never blocks, and never raises for what the command does.
2. No update is given to the command twice; those that find the queue full are dropped and counted.
3. Failures and drops are spoken of when the first happens, then once a minute at most, and at the end.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from queue import Empty, Full, Queue
from threading import Event, Lock, Thread
from typing import Final, Generic, TypeVar

_Item = TypeVar("_Item")

# Ten seconds of the fastest feed; about 10 MB of updates.
WAITING_MAX: Final = 10_000
_AT_ONCE_MAX: Final = 1_000
COMMAND_TIMEOUT_S: Final = 30.0
_LAST_WORD_S: Final = 5.0
_SPEAK_EVERY_S: Final = 60.0


class Notifier(Generic[_Item]):
    """Gives what it is told to a command.

    `render` makes a line of an update, in the notifier's own thread. `say` is given a sentence about failures;
    `clock` is asked for seconds that never go back. `environment` is the command's.
    """

    def __init__(
        self,
        command: str,
        *,
        render: Callable[[_Item], str],
        say: Callable[[str], None],
        clock: Callable[[], float],
        environment: Mapping[str, str],
        waiting_max: int = WAITING_MAX,
        timeout_s: float = COMMAND_TIMEOUT_S,
    ) -> None:
        self._command, self._render = command, render
        self._environment, self._timeout_s = dict(environment), timeout_s
        self._complaints = Complaints(say, clock)
        self._waiting: Queue[_Item] = Queue(waiting_max)
        self._is_closing, self._is_over = Event(), Event()
        self._running: subprocess.Popen[str] | None = None
        self._guard = Lock()
        self._thread = Thread(target=self._run, name="dtcpos-notify", daemon=True)
        self._thread.start()

    def tell(self, updates: Iterable[_Item]) -> None:
        """Take updates for the command; those for which there is no room are dropped and counted."""
        for update in updates:
            try:
                self._waiting.put_nowait(update)
            except Full:
                self._complaints.dropped()

    def close(self, patience_s: float = _LAST_WORD_S) -> None:
        """Let the command have what is still waiting, but for no longer than this; then end it."""
        self._is_closing.set()
        self._thread.join(patience_s)
        if self._thread.is_alive():
            self._is_over.set()
            self._end_command()
            self._thread.join()
            self._complaints.dropped(self._waiting.qsize())
        self._complaints.speak_up()

    def _run(self) -> None:
        while not self._is_over.is_set() and (batch := self._next_batch()):
            self._give(batch)

    def _next_batch(self) -> list[_Item]:
        """Return what is waiting, waiting for it; nothing when there is nothing more to come."""
        batch: list[_Item] = []
        while not batch:
            try:
                batch.append(self._waiting.get(timeout=0.1))
            except Empty:
                if self._is_closing.is_set():
                    return batch
        while len(batch) < _AT_ONCE_MAX:
            try:
                batch.append(self._waiting.get_nowait())
            except Empty:
                break
        return batch

    def _give(self, batch: list[_Item]) -> None:
        lines = "".join(f"{self._render(update)}\n" for update in batch)
        try:
            with self._guard:
                if self._is_over.is_set():
                    self._complaints.dropped(len(batch))
                    return
                self._running = running = _started(self._command, self._environment)
            running.communicate(lines, timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            self._end_command()
            self._complaints.failed(f"it was stopped after {self._timeout_s:g} s")
        except OSError as error:
            self._complaints.failed(error.strerror or str(error))
        else:
            if self._is_over.is_set():
                self._complaints.failed("it was stopped at the end")
            elif running.returncode:
                self._complaints.failed(f"exit code {running.returncode}")

    def _end_command(self) -> None:
        with self._guard:
            running = self._running
            if running is not None and running.poll() is None:
                _end(running)
                running.wait()


class Complaints:
    """Counts what went wrong and says so now and then, from whatever thread it happens in."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._say, self._clock = say, clock
        self._failures = self._drops = 0
        self._reason = ""
        self._spoken_at: float | None = None
        self._guard = Lock()

    def failed(self, reason: str) -> None:
        """Count a run of the command that went wrong."""
        with self._guard:
            self._failures += 1
            self._reason = reason
            self._speak_if_due()

    def dropped(self, count: int = 1) -> None:
        """Count updates the command never gets."""
        with self._guard:
            self._drops += count
            self._speak_if_due()

    def speak_up(self) -> None:
        """Say what has not been said yet."""
        with self._guard:
            self._speak()

    def _speak_if_due(self) -> None:
        now = self._clock()
        if self._spoken_at is None or now - self._spoken_at >= _SPEAK_EVERY_S:
            self._spoken_at = now
            self._speak()

    def _speak(self) -> None:
        words = []
        if self._failures:
            words.append(f"the --on-event command failed {_times(self._failures)} ({self._reason})")
        if self._drops:
            words.append(f"{self._drops} update{'' if self._drops == 1 else 's'} never reached it; it is too slow")
        if words:
            self._say("; ".join(words))
        self._failures = self._drops = 0


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _started(command: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    # In a group of its own, so that Ctrl-C ends us and not it, and so that all of it can be ended. What it prints goes
    # to standard error: standard output is ours.
    return subprocess.Popen(
        command,
        shell=True,
        stdin=subprocess.PIPE,
        stdout=2,
        env=dict(environment),
        encoding="utf-8",
        start_new_session=os.name != "nt",
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def _end(running: subprocess.Popen[str]) -> None:
    try:
        if os.name == "nt":
            running.kill()
        else:
            os.killpg(running.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
