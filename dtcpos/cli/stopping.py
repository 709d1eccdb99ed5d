"""What ends a session in order: Ctrl-C, a polite kill, a terminal or a console that is closed.

The first is noted, and whoever follows the server asks for it between two reads. The second is the system's own again,
which ends the process at once, whatever it is doing; what was printed is on the disk.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

# SIGBREAK is Windows' Ctrl-Break, and what a service wrapper may send; SIGHUP comes when a terminal goes away.
STOPS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))


@contextmanager
def stopping() -> Iterator[Callable[[], str]]:
    """Yield a question whose answer is the name of the signal that has come, empty until then.

    Afterwards Ctrl-C means what it always means, so that a prompt can be left.
    """
    asked: list[str] = []
    # What was told to ignore a signal, as nohup tells about SIGHUP, goes on ignoring it.
    heeded = [number for number in STOPS if signal.getsignal(number) is not signal.SIG_IGN]

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(signal.Signals(number).name)
        for each in heeded:
            signal.signal(each, signal.SIG_DFL)

    for number in heeded:
        signal.signal(number, note)
    is_done = Event()
    forget = _on_console_close(lambda: asked.append("the console was closed"), is_done)
    try:
        yield lambda: asked[0] if asked else ""
    finally:
        is_done.set()
        forget()
        for number in heeded:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


if sys.platform == "win32":
    import ctypes

    # CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT: Python makes no signals of these.
    _CLOSES = (2, 5, 6)
    # Windows ends the process five seconds after a close, or when the handler returns.
    _CLOSE_WAIT_S = 4.5

    def _on_console_close(note: Callable[[], None], is_done: Event) -> Callable[[], None]:
        """Note that the console is being closed, and hold Windows back until the session has ended."""

        @ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_uint)
        def heed(event: int) -> int:
            if event not in _CLOSES:
                return 0
            note()
            is_done.wait(_CLOSE_WAIT_S)
            return 1

        register = ctypes.windll.kernel32.SetConsoleCtrlHandler
        register(heed, 1)

        def forget() -> None:
            register(heed, 0)

        return forget

else:

    def _on_console_close(note: Callable[[], None], is_done: Event) -> Callable[[], None]:
        """Do nothing: a terminal that is closed sends SIGHUP."""
        del note, is_done
        return lambda: None
