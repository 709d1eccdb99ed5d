"""Another program's figures of a session: a CSV of one line, `last,high,low,vwap,poc,cum_delta`, rewritten in place.

It may be caught half-written, so a line counts only whole: six numbers, and nothing after their line's end. Without a
line's end the last number may have been cut, and then the file must have lain still for a while.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from dtcpos.model import Snapshot

COLUMNS = ("last", "high", "low", "vwap", "poc", "cum_delta")
# Six numbers are well below it; whatever is longer is another file.
SIZE_MAX = 4096
# A write that takes longer than this is not being written.
_STILL_S = 1.0
# Whoever writes the feed has stopped.
_FRESH_S = 60.0

Clock = Callable[[], float]


def snapshot_of_line(text: str) -> Snapshot:
    """Read the figures; all of them are None where the text is not one whole line of six numbers.

    A line of the columns' names may come before it. An average or a point of control of 0 means that there is none
    yet, as in the state files of the same program.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    if tuple(name.strip().lower() for name in lines[0].split(",")) == COLUMNS:
        lines.pop(0)
    if len(lines) != 1:
        return Snapshot()
    numbers = [_number(part) for part in lines[0].split(",")]
    if len(numbers) != len(COLUMNS) or None in numbers:
        return Snapshot()
    found = dict(zip(COLUMNS, numbers, strict=True))
    return Snapshot(vwap=found["vwap"] or None, cum_delta=found["cum_delta"], poc=found["poc"] or None)


def read_snapshot(path: Path, *, now: float) -> Snapshot:
    """Read the figures from the file, None where it is not there, not whole, or older than a minute.

    `now` is Unix time in seconds.
    """
    try:
        with path.open("rb") as source:
            octets = source.read(SIZE_MAX + 1)
            age_s = now - os.fstat(source.fileno()).st_mtime
        text = octets.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return Snapshot()
    is_whole = text.endswith("\n") or age_s >= _STILL_S
    if len(octets) > SIZE_MAX or age_s > _FRESH_S or not is_whole:
        return Snapshot()
    return snapshot_of_line(text)


def feed_of(paths: Mapping[str, Path], *, clock: Clock) -> Callable[[str], Snapshot | None]:
    """Return what reads the figures of a symbol from its file; the file under "" is of every symbol without one."""

    def figures(symbol: str) -> Snapshot | None:
        path = paths.get(symbol) or paths.get("")
        return None if path is None else read_snapshot(path, now=clock())

    return figures


def _number(text: str) -> Decimal | None:
    text = text.strip()
    # Not everything Decimal takes: 1_000 and full-width digits are no numbers of a feed.
    if not text or set(text) - set("+-.0123456789eE"):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
