"""What is said when something is wrong: one line on standard error."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from dtcpos.errors import OutputUnwritable

_listeners: list[Callable[[str], None]] = []


def say(line: str) -> None:
    """Print one line on standard error, whatever line ends a message has inside."""
    text = " ".join(line.split())
    print(f"dtcpos: {text}", file=sys.stderr)
    for listen in _listeners:
        listen(text)


@contextmanager
def overheard(listen: Callable[[str], None]) -> Iterator[None]:
    """Have what is said within heard by somebody else as well; from any thread."""
    _listeners.append(listen)
    try:
        yield
    finally:
        _listeners.remove(listen)


def abandon_output() -> None:
    """Send what is still buffered nowhere: it would fail again when the interpreter closes the stream."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def printing() -> Iterator[None]:
    """Flush standard output at the end; a reader that has had enough (`dtcpos tail | head`) is no fault.

    Raises OutputUnwritable where the disk under the output is full.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        abandon_output()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        abandon_output()
        raise OutputUnwritable("the disk is full, the output is not complete; free some room") from error


def report_own_fault(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    """Say in one line that dtcpos itself is wrong; the traceback only where DTCPOS_DEBUG is set."""
    if os.environ.get("DTCPOS_DEBUG"):
        sys.__excepthook__(kind, fault, trace)
    else:
        say(f"internal error: {kind.__name__}: {fault}; set DTCPOS_DEBUG=1 for the traceback, and please report it")
