"""What is said when something is wrong: one line on standard error."""

from __future__ import annotations

import os
import sys
from types import TracebackType


def say(line: str) -> None:
    """Print one line on standard error, whatever line ends a message has inside."""
    print(f"dtcpos: {' '.join(line.split())}", file=sys.stderr)


def abandon_output() -> None:
    """Send what is still buffered nowhere: it would fail again when the interpreter closes the stream."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def report_own_fault(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    """Say in one line that dtcpos itself is wrong; the traceback only where DTCPOS_DEBUG is set."""
    if os.environ.get("DTCPOS_DEBUG"):
        sys.__excepthook__(kind, fault, trace)
    else:
        say(f"internal error: {kind.__name__}: {fault}; set DTCPOS_DEBUG=1 for the traceback, and please report it")
