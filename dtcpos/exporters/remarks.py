"""What a file for a trading journal could not say, counted while it is written."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field


@define
class Remarks:
    """Counts of what had to be left out or written as nothing."""

    unpriced: int = 0
    uncharged: int = 0
    without_point_value: set[str] = field(factory=set)
    _modes: set[str] = field(factory=set)

    def note_mode(self, mode: str) -> None:
        """Remember that an execution of this mode was written."""
        self._modes.add(mode)

    def lines(self) -> Iterator[str]:
        """Yield a line for each thing a person should know of the file."""
        if self.unpriced:
            yield f"{_many(self.unpriced)} without a known price left out"
        if self.uncharged:
            yield f"{_many(self.uncharged)} without a known commission, written as 0"
        for symbol in sorted(self.without_point_value):
            remedy = f"`dtcpos instruments set {symbol} --point-value V`"
            yield f"point value of {symbol} unknown, its proceeds are left empty; {remedy}"
        if len(self._modes) > 1:
            yield f"executions of {', '.join(sorted(self._modes))} are in one file; --mode chooses"


def _many(count: int) -> str:
    return f"{count} execution{'' if count == 1 else 's'}"
