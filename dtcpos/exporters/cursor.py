"""A file of what is new, exactly once: the steps of an export under a name, each of which may be the last.

A run is `begin`, write the part file, `record`, `place`, `finish`. What the ledger remembers between them tells the
next run what is left to do:

| remembered                     | means                                   | the next run                  |
|--------------------------------|-----------------------------------------|-------------------------------|
| nothing pending                | idle                                    | begins                        |
| a pending path, no pending id  | the part file may be there, incomplete  | removes it, then begins       |
| a pending path and its last id | the part file is complete, on the disk  | puts it in place, then begins |

Invariants:
1. The last id advances only after the file is in its place, and in the same step the pending file is forgotten.
2. A file that is there is never written over.
3. Once an id is recorded, the rows up to it are written to no other file of this name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from attrs import define, evolve

from dtcpos.errors import LedgerLocked, OutputUnwritable, UsageError
from dtcpos.exporters.placing import naming
from dtcpos.store import ExportCursor, PositionRepository, WriterLock
from dtcpos.store.exporting import ExportReader
from dtcpos.store.parts import flush_folder

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@define
class Memory:
    """What a cursor keeps beside its last id.

    `files` is how many files were made. `void` holds the rows that said an execution was void when it was passed over
    without ever having been exported: one that is restored later is still to be exported.
    """

    files: int = 0
    void: frozenset[int] = frozenset()


class Cursor:
    """How far the export of a name has come, and the steps that take it further."""

    def __init__(self, repository: PositionRepository, name: str, what: str) -> None:
        self._repository = repository
        self._key = f"export_cursor:{name}"
        self.stored = repository.export_cursor(name)
        if self.stored is not None and self.stored.what != what:
            raise UsageError(
                f"cursor {name} is for `export {self.stored.what}`, not `export {what}`; choose another --cursor"
            )
        self._name, self._what = name, what

    @classmethod
    @contextmanager
    def open(cls, ledger: Path, name: str, what: str, *, now: datetime) -> Iterator[Self]:
        """Open the cursor of a ledger for one run; a second run of the same name meanwhile is refused.

        `what` says what is exported and how it is filtered; a name stands for one such thing.
        """
        if not _NAME.fullmatch(name) or name.startswith("."):
            raise UsageError(f"{name!r} is no name for a cursor; use letters, digits, dots, dashes and underscores")
        with PositionRepository.open(ledger, create=False) as repository:
            lock = WriterLock(ledger.with_name(f"{ledger.name}.export-{name}"))
            try:
                lock.acquire(now.timestamp())
            except LedgerLocked as error:
                holder = lock.holder()
                by = f"process {holder.pid}" if holder is not None else "another process"
                raise LedgerLocked(f"cursor {name} is in use by {by}; let it finish and run again") from error
            with lock:
                yield cls(repository, name, what)

    @property
    def last_id(self) -> int:
        """The id up to which everything is in its place."""
        return self.stored.last_id if self.stored is not None else 0

    @property
    def memory(self) -> Memory:
        """What is kept beside the last id."""
        text = self._repository.preference(self._key)
        told: dict[str, Any] = json.loads(text) if text else {}
        return Memory(files=told.get("files", 0), void=frozenset(told.get("void", ())))

    def resume(self, now: datetime) -> Path | None:
        """Bring what an earlier run left behind to its end; return the file that was put in place by it, if any."""
        stored = self.stored
        if stored is None or stored.pending_path is None:
            return None
        path = Path(stored.pending_path)
        if stored.pending_id is None:
            with naming(path):
                self.part_of(path).unlink(missing_ok=True)
            self._store(evolve(stored, pending_path=None, updated_at=now))
            return None
        self.place()
        self.finish(now)
        return path

    def part_of(self, path: Path) -> Path:
        """Return where a file is written before it is put in place."""
        return path.with_name(f".{path.name}.{self._name}.part")

    def begin(self, path: Path, now: datetime) -> Path:
        """Remember which file is going to be written, and return the part file for it."""
        # A link to nothing is there too: the rename would put the file in the link's place.
        if path.exists() or path.is_symlink():
            raise UsageError(
                f"{path} is there already; move it away, or have {{number}} or {{date}} in --output for a new name"
            )
        base = self.stored or ExportCursor(name=self._name, what=self._what, last_id=0, updated_at=now)
        self._store(evolve(base, pending_path=str(path.absolute()), pending_id=None, updated_at=now))
        return self.part_of(path.absolute())

    def record(self, last_id: int, void: Collection[int], now: datetime) -> None:
        """Remember that the part file holds everything up to an id, and is on the disk."""
        assert self.stored is not None
        assert self.stored.pending_path is not None
        with self._repository.transaction():
            self._remember(Memory(files=self.memory.files + 1, void=frozenset(void)))
            self._store(evolve(self.stored, pending_id=last_id, updated_at=now))

    def place(self) -> None:
        """Put the part file in its place; nothing if that has been done."""
        assert self.stored is not None
        assert self.stored.pending_path is not None
        path = Path(self.stored.pending_path)
        part = self.part_of(path)
        with naming(path):
            if part.exists():
                if path.exists():
                    raise OutputUnwritable(f"{path} is in the way of what was exported to {part}; move it away")
                part.rename(path)
            # Also where the part is gone: a rename may not be on the disk yet. A folder that is gone is a fault here.
            flush_folder(path.parent)

    def finish(self, now: datetime) -> None:
        """Advance to the id of the file that is in its place."""
        assert self.stored is not None
        assert self.stored.pending_id is not None
        self._store(
            evolve(self.stored, last_id=self.stored.pending_id, pending_path=None, pending_id=None, updated_at=now)
        )

    def advance(self, last_id: int, void: Collection[int], now: datetime) -> None:
        """Advance where there was nothing to write to a file; a cursor that would not move is left alone."""
        if last_id == self.last_id and self.stored is not None:
            return
        base = self.stored or ExportCursor(name=self._name, what=self._what, last_id=0, updated_at=now)
        with self._repository.transaction():
            self._remember(evolve(self.memory, void=frozenset(void)))
            self._store(evolve(base, last_id=last_id, updated_at=now))

    def _remember(self, memory: Memory) -> None:
        text = json.dumps({"files": memory.files, "void": sorted(memory.void)})
        self._repository.set_preference(self._key, text)

    def _store(self, cursor: ExportCursor) -> None:
        self._repository.put_export_cursor(cursor)
        self.stored = cursor


def passed_over(reader: ExportReader, last_id: int, void: Collection[int]) -> tuple[frozenset[int], frozenset[int]]:
    """Return the fills booked after an id that are not to be exported, and the void rows to remember next.

    A row that corrects an execution exported before is not exported again. One that restores an execution which was
    void whenever it was passed over is.
    """
    skipped: set[int] = set()
    remembered = set(void)
    for fill_id in reader.corrected_after(last_id):
        older = reader.older_of(fill_id)
        if older[0] > last_id:
            continue
        if remembered.isdisjoint(older):
            skipped.add(fill_id)
        remembered.difference_update(older)
    for fill_id in reader.void_after(last_id):
        older = reader.older_of(fill_id)
        if all(older_id > last_id for older_id in older) or not remembered.isdisjoint(older):
            remembered.add(fill_id)
    return frozenset(skipped), frozenset(remembered)
