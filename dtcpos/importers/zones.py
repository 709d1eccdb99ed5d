"""Times of a log that was read in the wrong zone: executions the ledger has too, all the same quarter hours apart."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from dtcpos.importers.report import ImportRefused, moment_text

_QUARTER = timedelta(minutes=15)
_ZERO = timedelta()
# Zones lie between 12 hours behind UTC and 14 ahead of it; what is further off is no matter of zones.
_OFFSET_MAX = timedelta(hours=14)
# A server tells when it was executed, a log when that was written.
_TOLERANCE = timedelta(seconds=5)


class ZoneDoubts:
    """What speaks against the zone a log was read in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offsets: set[timedelta | None] = set()
        self._words = ""

    def compare(self, line: int, told: datetime, known: datetime) -> None:
        """Compare the time of an execution in the file with that in the ledger."""
        difference = told - known
        quarters = round(difference / _QUARTER) * _QUARTER
        is_zone = abs(difference - quarters) <= _TOLERANCE and abs(quarters) <= _OFFSET_MAX
        self._offsets.add(quarters if is_zone else None)
        if is_zone and quarters and not self._words:
            self._words = (
                f"line {line} is at {moment_text(told)}, the ledger has that execution at {moment_text(known)}"
            )

    def settle(self) -> None:
        """Refuse the file if every execution known is the same hours away. Raises ImportRefused."""
        if len(self._offsets) != 1:
            return
        (offset,) = self._offsets
        if offset is None or offset == _ZERO:
            return
        raise ImportRefused(
            f"{self._path}: the times are those of another zone: {self._words}; give the zone the log was written in, "
            "such as --timezone America/Chicago; nothing was imported"
        )
