"""What a machine that lost its power may find on its disk, from a record of what was written and what was flushed.

A file holds at least what it held when it was last flushed; of what was written since, any part may be there, by
sectors or pages, in any order. A name in a folder is there, or gone, for certain only after the folder was flushed.
A rename is one step. Nothing is said of how a file system does better than that.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import pytest
from attrs import define, field

from tests.crash.vfs import Event, Tape, folder_of

Loss = Literal["nothing", "everything", "torn", "sectors", "pages", "holes"]
LOSSES: Final[tuple[Loss, ...]] = ("everything", "nothing", "torn", "sectors", "pages", "holes")
_UNIT = {"sectors": 512, "pages": 4096, "holes": 4096}


@define(eq=False)
class _Content:
    """A file's bytes: what is flushed, and the writes and truncations since."""

    durable: bytes = b""
    pending: list[Event] = field(factory=list)

    def after(self, loss: Loss, chance: random.Random) -> bytes:
        """Return what may be left of it."""
        if loss == "everything":
            return self.durable
        if loss == "nothing":
            return _applied(self.durable, self.pending)
        if loss == "torn":
            if not self.pending or self.pending[-1].kind != "write":
                return _applied(self.durable, self.pending[:-1])
            last = self.pending[-1]
            cut = chance.randrange(len(last.content)) if last.content else 0
            return _applied(self.durable, [*self.pending[:-1], _piece(last, 0, cut)])
        return self._scattered(_UNIT[loss], chance, has_holes=loss == "holes")

    def _scattered(self, unit: int, chance: random.Random, *, has_holes: bool) -> bytes:
        # Each unit of the disk is as it was at a moment of its own.
        moments: dict[int, int] = {}
        kept: list[Event] = []
        for moment, event in enumerate(self.pending):
            if event.kind == "truncate":
                if chance.random() < 0.5:
                    kept.append(event)
                continue
            start, end = event.offset, event.offset + len(event.content)
            while start < end:
                place = start // unit
                until = min(end, (place + 1) * unit)
                if place not in moments:
                    moments[place] = chance.randint(0, len(self.pending))
                if moment < moments[place]:
                    kept.append(_piece(event, start - event.offset, until - event.offset))
                elif has_holes:
                    # The file is as long as it was to become, with whatever the disk had there before.
                    kept.append(
                        Event(kind="write", name=event.name, offset=start, content=chance.randbytes(until - start))
                    )
                start = until
        return _applied(self.durable, kept)


def _piece(event: Event, start: int, end: int) -> Event:
    return Event(kind="write", name=event.name, offset=event.offset + start, content=event.content[start:end])


def _applied(before: bytes, events: list[Event]) -> bytes:
    content = bytearray(before)
    for event in events:
        if event.kind == "truncate":
            del content[event.offset :]
            continue
        if len(content) < event.offset:
            content += bytes(event.offset - len(content))
        content[event.offset : event.offset + len(event.content)] = event.content
    return bytes(content)


# One change of names: what each name stands for afterwards, None for nothing.
_Change = dict[str, _Content | None]


@define
class Disk:
    """Files and folders, as written and as flushed; fed with the events of a record."""

    names: dict[str, _Content] = field(factory=dict)
    durable: dict[str, _Content] = field(factory=dict)
    changes: list[_Change] = field(factory=list)

    @classmethod
    def holding(cls, files: Mapping[str, bytes]) -> Disk:
        """Return a disk where these files are flushed."""
        contents = {name: _Content(durable=content) for name, content in files.items()}
        return cls(names=dict(contents), durable=dict(contents))

    def apply(self, event: Event) -> None:
        """Let one thing happen."""
        match event.kind:
            case "create":
                self._file(event.name)
            case "write" | "truncate":
                self._file(event.name).pending.append(event)
            case "sync":
                file = self._file(event.name)
                file.durable = _applied(file.durable, file.pending)
                file.pending.clear()
            case "delete":
                if event.name in self.names:
                    self._change({event.name: None})
            case "rename":
                self._change({event.content: self._file(event.name), event.name: None})
            case "folder":
                self._flush_folder(event.name)

    def _file(self, name: str) -> _Content:
        if name not in self.names:
            self._change({name: _Content()})
        return self.names[name]

    def _change(self, change: _Change) -> None:
        _rename(self.names, change)
        self.changes.append(change)

    def _flush_folder(self, folder: str) -> None:
        def is_here(change: _Change) -> bool:
            return any(folder_of(name) == folder for name in change)

        for change in filter(is_here, self.changes):
            _rename(self.durable, change)
        self.changes = [change for change in self.changes if not is_here(change)]

    def image(self, loss: Loss, chance: random.Random) -> dict[str, bytes]:
        """Return the files that may be found after a loss."""
        names = dict(self.durable)
        for change in self.changes:
            if loss in ("nothing", "torn") or (loss != "everything" and chance.random() < 0.5):
                _rename(names, change)
        return {name: file.after(loss, chance) for name, file in names.items()}


def _rename(names: dict[str, _Content], change: _Change) -> None:
    for name, file in change.items():
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, by their names."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put(files: Mapping[str, bytes], folder: Path) -> None:
    """Write an image into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@contextmanager
def python_calls(tape: Tape) -> Iterator[None]:
    """Record what Python itself does to files of the tape: flushes, renames and removals.

    What was written to a file is told when it is flushed, just before; nothing promises it earlier.
    """
    fsync, rename, replace, unlink = os.fsync, os.rename, os.replace, os.unlink

    def flushed(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        name = tape.name_of(path)
        if path.is_dir() and (name is not None or os.fspath(path) == tape.folder):
            tape.add("folder", name or "")
        elif name is not None:
            tape.add("write", name, 0, path.read_bytes())
            tape.add("sync", name)
        fsync(descriptor)

    def renamed(source: str | Path, target: str | Path) -> None:
        if (name := tape.name_of(source)) is not None:
            tape.add("rename", name, content=tape.name_of(target))
        replace(source, target)

    def removed(path: str | Path, *, dir_fd: int | None = None) -> None:
        if (name := tape.name_of(path)) is not None:
            tape.add("delete", name)
        unlink(path, dir_fd=dir_fd)

    with pytest.MonkeyPatch.context() as patch:
        assert rename is not None
        patch.setattr(os, "fsync", flushed)
        patch.setattr(os, "rename", renamed)
        patch.setattr(os, "replace", renamed)
        patch.setattr(os, "unlink", removed)
        yield
