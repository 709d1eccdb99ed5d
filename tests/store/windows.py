"""Windows' side of the lock on Linux: the same module, with a `msvcrt` that locks as the real one does.

A fake, kept to what the documentation of `_locking` says: the region begins where the file's position is, belongs to
the open file and not to its process, may lie behind the end of the file, is refused with EACCES where another has it or
where nobody had it to give back, and goes when the file is closed or its process ends. An open file description lock
of Linux is just that.
"""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import os
import struct
import sys
from types import ModuleType
from unittest import mock

from dtcpos.store import lock

_FLOCK = "hhqqi4x"


class FakeMsvcrt(ModuleType):
    """The part of `msvcrt` that the lock uses."""

    LK_UNLCK = 0
    LK_NBLCK = 2

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.locked: set[int] = set()

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        """Lock or unlock so many bytes from the file's position on, without waiting."""
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        assert place >= os.fstat(descriptor).st_size, "Windows would refuse reading these bytes to everybody else"
        if mode == self.LK_UNLCK and descriptor not in self.locked:
            raise PermissionError(errno.EACCES, "Permission denied")
        kind = fcntl.F_UNLCK if mode == self.LK_UNLCK else fcntl.F_WRLCK
        region = struct.pack(_FLOCK, kind, os.SEEK_SET, place, count, 0)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, region)
        except OSError as error:
            raise PermissionError(errno.EACCES, "Permission denied") from error
        (self.locked.discard if mode == self.LK_UNLCK else self.locked.add)(descriptor)


def windows_lock() -> ModuleType:
    """Return the lock's module as Windows would load it."""
    assert lock.__file__ is not None
    spec = importlib.util.spec_from_file_location("lock_of_windows", lock.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with mock.patch.object(sys, "platform", "win32"), mock.patch.dict(sys.modules, {"msvcrt": FakeMsvcrt()}):
        spec.loader.exec_module(module)
    return module
