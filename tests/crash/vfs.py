"""A SQLite VFS that tells what reaches the disk, in order, and fails, tears or kills at any of it.

It is the platform's own VFS with four functions put before it: xWrite, xTruncate and xSync of every file, and xDelete;
locks, shared memory and everything else are untouched. Folders that are brought to the disk are told too. ctypes takes
the functions from the very library that Python's `_sqlite3` is linked with; where that is not possible (a build that
contains SQLite, Windows) `why_not()` says so. The structures are those of https://www.sqlite.org/c3ref/vfs.html and
https://www.sqlite.org/c3ref/io_methods.html.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Literal

from attrs import define, field, frozen

Kind = Literal["create", "write", "truncate", "sync", "delete", "rename", "folder", "told"]
Does = Literal["kill before", "kill after", "kill torn", "full", "ioerr"]

_OK, _FULL = 0, 13
_IOERR = {"write": 778, "truncate": 1546, "sync": 1034, "delete": 2570}
_OPEN_CREATE = 0x4


@frozen(kw_only=True)
class Event:
    """One thing done to the disk; `content` is what was written, or with `told` whatever the test says was promised."""

    kind: Kind
    name: str = ""
    offset: int = 0
    content: Any = b""


@frozen(kw_only=True)
class Plan:
    """What is to happen at the n-th event of a kind, counted from 1; a fault stays until the plan is taken back."""

    kind: Kind
    number: int
    does: Does


@define
class Tape:
    """The files below one folder as they are written, by their paths relative to it."""

    folder: str
    events: list[Event] = field(factory=list)
    plan: Plan | None = None
    counts: Counter[str] = field(factory=Counter)
    has_struck: bool = False
    keeps: bool = True

    def add(self, kind: Kind, name: str = "", offset: int = 0, content: Any = b"") -> Does | None:
        """Record an event and return what is to be done instead, if anything."""
        self.counts[kind] += 1
        if self.plan is not None and self.plan.kind == kind and self.counts[kind] >= self.plan.number:
            self.has_struck = True
            if self.plan.does in ("full", "ioerr", "kill before", "kill torn"):
                return self.plan.does
        if self.keeps:
            self.events.append(Event(kind=kind, name=name, offset=offset, content=content))
        return "kill after" if self.has_struck and self.plan is not None and self.plan.kind == kind else None

    def name_of(self, path: str | os.PathLike[str]) -> str | None:
        """Return the name of a file below the folder, None for any other."""
        folder, name = os.path.split(path)
        real = os.path.join(os.path.realpath(folder), name)  # noqa: PTH118 - names are plain text here
        inside = real.startswith(self.folder + os.sep)
        return real[len(self.folder) + 1 :].replace(os.sep, "/") if inside else None


def folder_of(name: str) -> str:
    """Return the folder a name lies in, empty for the topmost."""
    return name.rpartition("/")[0]


class _Methods(ctypes.Structure):
    pass


class _File(ctypes.Structure):
    _fields_ = [("methods", POINTER(_Methods))]


_Write = CFUNCTYPE(c_int, POINTER(_File), c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, POINTER(_File), c_int64)
_Sync = CFUNCTYPE(c_int, POINTER(_File), c_int)
_Methods._fields_ = [
    ("version", c_int),
    ("close", c_void_p),
    ("read", c_void_p),
    ("write", _Write),
    ("truncate", _Truncate),
    ("sync", _Sync),
    # From xFileSize to xUnfetch; what an older version lacks is never called.
    ("others", c_void_p * 13),
]


class _Vfs(ctypes.Structure):
    pass


# Paths are addresses here: SQLite keeps the one it was opened with, and reads parameters behind its end.
_Open = CFUNCTYPE(c_int, POINTER(_Vfs), c_void_p, POINTER(_File), c_int, POINTER(c_int))
_Delete = CFUNCTYPE(c_int, POINTER(_Vfs), c_char_p, c_int)
_SetCall = CFUNCTYPE(c_int, POINTER(_Vfs), c_char_p, c_void_p)
_GetCall = CFUNCTYPE(c_void_p, POINTER(_Vfs), c_char_p)
_OpenFolder = CFUNCTYPE(c_int, c_char_p, POINTER(c_int))
_Vfs._fields_ = [
    ("version", c_int),
    ("file_size", c_int),
    ("path_max", c_int),
    ("next", c_void_p),
    ("name", c_char_p),
    ("application", c_void_p),
    ("open", _Open),
    ("delete", _Delete),
    # From xAccess to xCurrentTimeInt64.
    ("others", c_void_p * 11),
    ("set_system_call", _SetCall),
    ("get_system_call", _GetCall),
    ("next_system_call", c_void_p),
]


class _Shim:
    """The VFS; one a process, because a connection may outlive whoever recorded it."""

    def __init__(self) -> None:
        self.tape: Tape | None = None
        self.opened = 0
        import _sqlite3

        # Looked up in the extension, so found in the library that it is linked with and in no other.
        self.library = ctypes.CDLL(_sqlite3.__file__)
        self.library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        self.library.sqlite3_libversion.restype = c_char_p
        assert self.library.sqlite3_libversion() == sqlite3.sqlite_version.encode()
        self._base = self.library.sqlite3_vfs_find(None)
        self._vfs = _Vfs()
        ctypes.memmove(ctypes.byref(self._vfs), self._base, ctypes.sizeof(_Vfs))
        self._vfs.name = b"recording"
        self._files: dict[int, tuple[Tape, str]] = {}
        self._methods: dict[int, _Methods] = {}
        self._real: dict[int, Any] = {}
        self._vfs.open = self._open_hook = _Open(self._open)
        self._vfs.delete = self._delete_hook = _Delete(self._delete)
        self._hooks = (_Write(self._write), _Truncate(self._truncate), _Sync(self._sync))
        self._watch_folders()

    def _watch_folders(self) -> None:
        """Be told when a folder is opened, which the VFS of Unix does to bring it to the disk and for nothing else."""
        base = self._base.contents
        self._real_open_folder = _OpenFolder(base.get_system_call(self._base, b"openDirectory"))
        self._open_folder_hook = _OpenFolder(self._open_folder)
        hook = ctypes.cast(self._open_folder_hook, c_void_p)
        assert base.set_system_call(self._base, b"openDirectory", hook) == _OK

    def use(self, *, wanted: bool) -> None:
        """Make it the default for connections opened from now on, or the platform's own."""
        self.library.sqlite3_vfs_register(ctypes.byref(self._vfs) if wanted else self._base, 1)

    def _open(self, _vfs: Any, path: int | None, file: Any, flags: int, out_flags: Any) -> int:
        self.opened += 1
        tape, name = self.tape, None
        is_new = False
        if tape is not None and path is not None:
            text = os.fsdecode(ctypes.string_at(path))
            name = tape.name_of(text)
            is_new = bool(flags & _OPEN_CREATE) and not Path(text).exists()
        code: int = self._base.contents.open(self._base, path, file, flags, out_flags)
        if code == _OK and tape is not None and name is not None:
            if is_new:
                tape.add("create", name)
            address = ctypes.addressof(file.contents)
            self._files[address] = (tape, name)
            self._put_before(file.contents)
        return code

    def _put_before(self, file: _File) -> None:
        """Give an open file our functions; the rest of its methods, and what lies behind them, stay as they are."""
        real = ctypes.addressof(file.methods.contents)
        if real not in self._methods:
            ours = _Methods()
            ctypes.memmove(ctypes.byref(ours), file.methods, ctypes.sizeof(_Methods))
            ours.write, ours.truncate, ours.sync = self._hooks
            self._methods[real] = ours
        self._real[ctypes.addressof(file)] = file.methods.contents
        file.methods = ctypes.pointer(self._methods[real])

    def _write(self, file: Any, content: int, size: int, offset: int) -> int:
        address = ctypes.addressof(file.contents)
        tape, name = self._files[address]
        real = self._real[address].write
        does = tape.add("write", name, offset, ctypes.string_at(content, size))
        if does == "kill torn":
            real(file, content, size // 2, offset)
        return _done("write", does, lambda: real(file, content, size, offset))

    def _truncate(self, file: Any, size: int) -> int:
        address = ctypes.addressof(file.contents)
        tape, name = self._files[address]
        real = self._real[address].truncate
        return _done("truncate", tape.add("truncate", name, size), lambda: real(file, size))

    def _sync(self, file: Any, flags: int) -> int:
        address = ctypes.addressof(file.contents)
        tape, name = self._files[address]
        real = self._real[address].sync
        return _done("sync", tape.add("sync", name), lambda: real(file, flags))

    def _delete(self, _vfs: Any, path: bytes, sync_folder: int) -> int:
        base, tape = self._base.contents, self.tape
        name = tape.name_of(os.fsdecode(path)) if tape is not None else None
        if tape is None or name is None:
            return int(base.delete(self._base, path, sync_folder))
        return _done("delete", tape.add("delete", name), lambda: base.delete(self._base, path, sync_folder))

    def _open_folder(self, path: bytes, descriptor: Any) -> int:
        name = self.tape.name_of(os.fsdecode(path)) if self.tape is not None else None
        if self.tape is not None and name is not None:
            self.tape.add("folder", folder_of(name))
        return int(self._real_open_folder(path, descriptor))


def _done(kind: str, does: Does | None, real: Callable[[], int]) -> int:
    if does in ("kill before", "kill torn"):
        os.kill(os.getpid(), signal.SIGKILL)
    if does == "full" and kind == "write":
        return _FULL
    if does in ("full", "ioerr"):
        return _IOERR[kind]
    code = int(real())
    if does == "kill after":
        os.kill(os.getpid(), signal.SIGKILL)
    return code


@cache
def _shim() -> _Shim | str:
    try:
        shim = _Shim()
    except (ImportError, AttributeError, OSError, AssertionError, ValueError) as error:
        return f"SQLite's own functions cannot be reached here ({error!r})"
    shim.use(wanted=True)
    try:
        sqlite3.connect(":memory:").execute("PRAGMA user_version")
        connection = sqlite3.connect("")
        connection.execute("CREATE TEMP TABLE probe (x)")
        connection.close()
    finally:
        shim.use(wanted=False)
    return shim


def why_not() -> str:
    """Return why nothing can be recorded here, empty where it can."""
    found = _shim()
    return found if isinstance(found, str) else ""


@contextmanager
def recording(folder: Path, plan: Plan | None = None, *, keeps: bool = True) -> Iterator[Tape]:
    """Record what connections opened inside the block do to the files of a folder; `keeps` False only counts."""
    shim = _shim()
    assert isinstance(shim, _Shim), shim
    assert shim.tape is None, "one recording at a time"
    tape = Tape(os.path.realpath(folder), plan=plan, keeps=keeps)
    shim.tape = tape
    shim.use(wanted=True)
    try:
        yield tape
    finally:
        shim.use(wanted=False)
        shim.tape = None
        tape.plan = None
