"""Rows in the order of their times, whatever the order of the file and however long it is.

An external merge sort: runs of rows go to one temporary file, in blocks, and are merged from there. A log that is in
order already is a single run; one that is shorter than a run never touches the disk.
"""

from __future__ import annotations

import heapq
import pickle
from collections.abc import Iterator
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

from dtcpos.keeping.imported import Logged

ROWS_PER_RUN = 50_000
_ROWS_PER_BLOCK = 200


class Spool:
    """A place for the rows of one log; `add` them all, then iterate, as often as needed."""

    def __init__(self, *, rows_per_run: int = ROWS_PER_RUN) -> None:
        self._rows_per_run = rows_per_run
        self._rows: list[Logged] = []
        self._file: IO[bytes] | None = None
        # The places of the blocks of each run, and the last row of the run that is being written.
        self._runs: list[list[int]] = []
        self._last: Logged | None = None
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, row: Logged) -> None:
        """Take a row."""
        self._rows.append(row)
        self.count += 1
        if len(self._rows) >= self._rows_per_run:
            self._flush()

    def __iter__(self) -> Iterator[Logged]:
        if self._file is None:
            self._rows.sort(key=_order)
            return iter(self._rows)
        if self._rows:
            self._flush()
        return heapq.merge(*(self._run(blocks) for blocks in self._runs), key=_order)

    def _flush(self) -> None:
        if self._file is None:
            self._file = TemporaryFile(prefix="dtcpos-")  # noqa: SIM115 - closed when the spool is
        self._rows.sort(key=_order)
        if self._last is None or _order(self._rows[0]) < _order(self._last):
            self._runs.append([])
        self._last = self._rows[-1]
        self._file.seek(0, 2)
        for start in range(0, len(self._rows), _ROWS_PER_BLOCK):
            self._runs[-1].append(self._file.tell())
            pickle.dump(self._rows[start : start + _ROWS_PER_BLOCK], self._file, pickle.HIGHEST_PROTOCOL)
        self._rows.clear()

    def _run(self, blocks: list[int]) -> Iterator[Logged]:
        assert self._file is not None
        for place in blocks:
            self._file.seek(place)
            yield from pickle.load(self._file)


def _order(row: Logged) -> tuple[object, int]:
    return row.fill.time, row.line
