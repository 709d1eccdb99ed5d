"""How far long work has come, on standard error: drawn again on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_DRAWN_AGAIN_AFTER_S = 0.1
# Seldom enough for a log file, often enough to see that a job is alive.
_SAID_AGAIN_AFTER_S = 15.0


class _Teller:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._is_terminal = sys.stderr.isatty()
        self._pause_s = _DRAWN_AGAIN_AFTER_S if self._is_terminal else _SAID_AGAIN_AFTER_S
        # The first line of a log comes after the pause too: short work says nothing there.
        self._next_at = clock() + (0.0 if self._is_terminal else self._pause_s)
        self._is_drawn = False

    def tell(self, stage: str, done: int, of: int) -> None:
        now = self._clock()
        if now < self._next_at:
            return
        self._next_at = now + self._pause_s
        words = f"{stage}: {done:,} of {of:,}" if of else f"{stage}: {done:,}" if done else stage
        if self._is_terminal:
            self._is_drawn = True
            print(f"\r\x1b[K{words}", end="", file=sys.stderr, flush=True)
        else:
            print(f"dtcpos: {words}", file=sys.stderr, flush=True)

    def erase(self) -> None:
        if self._is_drawn:
            self._is_drawn = False
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@contextmanager
def telling(clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[str, int, int], None]]:
    """Yield what is told a stage, how much of it is done, and of how much (0: nobody knows); erase it at the end."""
    teller = _Teller(clock)
    try:
        yield teller.tell
    finally:
        teller.erase()
