"""One writer a ledger: a lock the operating system drops when its process dies.

It stands on a file of its own beside the ledger, because SQLite's locks on the ledger come and go with every
transaction. The file stays when the lock is gone: removing it would let two processes lock two files of one name.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Final, Self

from attrs import define, frozen

from dtcpos.errors import LedgerLocked, LedgerUnwritable

# Windows locks bytes against reading too, so the byte that is locked lies where no content ever is.
_BYTE_LOCKED: Final = 0x7FFF_0000
# The access right that only asks whether a process of Windows has ended.
_SYNCHRONIZE: Final = 0x0010_0000


@frozen(kw_only=True)
class Holder:
    """The process that holds a ledger, and since when, as it wrote them itself."""

    pid: int
    since: str


@define
class _Held:
    descriptor: int
    count: int


# What this process holds, by real path: its own threads share the lock, since the ledger's file keeps them apart.
_held: Final[dict[str, _Held]] = {}
_guard: Final = Lock()


class WriterLock:
    """The right to be the one process that follows a server into a ledger.

    Acquired several times within one process it is held until it was released as often.
    """

    def __init__(self, ledger: str | Path) -> None:
        self.ledger = Path(ledger)
        self.path = self.ledger.with_name(self.ledger.name + ".lock")
        self._real = os.path.realpath(self.path)
        self._is_held = False

    def acquire(self, now: float) -> None:
        """Take the lock; raise LedgerLocked naming the holder if another process has it.

        `now` is Unix time in seconds. Raise LedgerUnwritable where the lock's file cannot be made.
        """
        assert not self._is_held, "one lock object is acquired once"
        with _guard:
            held = _held.get(self._real)
            if held is None:
                _held[self._real] = _Held(self._lock(now), 1)
            else:
                held.count += 1
        self._is_held = True

    def release(self) -> None:
        """Give the lock back; without having it this does nothing."""
        if not self._is_held:
            return
        self._is_held = False
        with _guard:
            held = _held[self._real]
            held.count -= 1
            if not held.count:
                del _held[self._real]
                os.ftruncate(held.descriptor, 0)
                _unlock(held.descriptor)
                os.close(held.descriptor)

    def holder(self) -> Holder | None:
        """Return who wrote that they hold the lock, None where nobody did; the lock itself decides, not this."""
        try:
            told = json.loads(self.path.read_text(encoding="utf-8"))
            return Holder(pid=int(told["pid"]), since=str(told["since"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def __enter__(self) -> Self:
        assert self._is_held, "acquire(now) first: the lock does not ask the clock"
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _lock(self, now: float) -> int:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise LedgerUnwritable(
                f"lock file {self.path} cannot be written ({error.strerror}); allow writing to its folder"
            ) from error
        if not _try_lock(descriptor):
            os.close(descriptor)
            raise LedgerLocked(self._refusal())
        since = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "since": since}).encode())
        return descriptor

    def _refusal(self) -> str:
        holder = self.holder()
        # The holder may be between taking the lock and writing its name.
        by = f"process {holder.pid} since {holder.since}" if holder else "another process"
        return f"ledger {self.ledger} is in use by {by}; stop it or use another --db"


def is_running(pid: int) -> bool:
    """Return whether a process of this number runs on this machine."""
    if sys.platform == "win32":
        # os.kill would end the process there; a handle can be had of a live one only.
        from ctypes import windll

        handle = windll.kernel32.OpenProcess(_SYNCHRONIZE, False, pid)
        if handle:
            windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, _BYTE_LOCKED, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, _BYTE_LOCKED, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
