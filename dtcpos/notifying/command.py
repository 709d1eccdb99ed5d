"""Give updates to a command of the user's, on its standard input.

The command is run once for everything that has come since it was last started, so one that is quick gets each batch as
it happens and one that is slow gets fewer and longer ones. One run at a time.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Final

from dtcpos.notifying.notifier import Undelivered

COMMAND_TIMEOUT_S: Final = 30.0


class OnEvent:
    """Runs a shell command for lines; `environment` is the command's, a run is stopped after `timeout_s`."""

    at_once_max = 1_000

    def __init__(self, command: str, *, environment: Mapping[str, str], timeout_s: float = COMMAND_TIMEOUT_S) -> None:
        self.name = "the --on-event command"
        self._command, self._environment, self._timeout_s = command, dict(environment), timeout_s
        self._running: subprocess.Popen[str] | None = None
        self._is_over = False
        self._guard = Lock()

    def deliver(self, lines: Sequence[str]) -> None:
        """Run the command with the lines; raises Undelivered with its exit code, or where it takes too long."""
        try:
            with self._guard:
                if self._is_over:
                    raise Undelivered("it was not run again at the end")
                self._running = running = _started(self._command, self._environment)
            running.communicate("".join(f"{line}\n" for line in lines), timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            self._end()
            raise Undelivered(f"it was stopped after {self._timeout_s:g} s") from None
        except OSError as error:
            raise Undelivered(error.strerror or str(error)) from error
        if self._is_over:
            raise Undelivered("it was stopped at the end")
        if running.returncode:
            raise Undelivered(f"exit code {running.returncode}")

    def interrupt(self) -> None:
        """End the command and whatever it has started."""
        self._is_over = True
        self._end()

    def close(self) -> None:
        """Do nothing: no run outlives its delivery."""

    def _end(self) -> None:
        with self._guard:
            running = self._running
            if running is not None and running.poll() is None:
                _kill(running)
                running.wait()


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


def _kill(running: subprocess.Popen[str]) -> None:
    try:
        if os.name == "nt":
            running.kill()
        else:
            os.killpg(running.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
