"""One writer a ledger: a lock the operating system drops when its process dies.

It stands on a file of its own beside the ledger, because SQLite's locks on the ledger come and go with every
transaction. The file stays when the lock is gone: removing it would let two processes lock two files of one name.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Final, Self

from attrs import define, frozen

from dtcpos.errors import LedgerLocked, LedgerUnwritable

# Windows locks bytes against reading too, so the byte that is locked lies where no content ever is.
_BYTE_LOCKED: Final = 0x7FFF_0000


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
_guard: Final = RLock()


def _leave_to_parent() -> None:
    # A fork shares the lock itself: kept open here it would outlive the parent, unlocked here it would be lost there.
    for held in _held.values():
        os.close(held.descriptor)
    _held.clear()
    _guard.release()


if hasattr(os, "register_at_fork"):
    # Nobody is between taking a lock and noting it while a fork happens.
    os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_leave_to_parent)


class WriterLock:
    """The right to be the one process that follows a server into a ledger.

    Acquired several times within one process it is held until it was released as often.
    """

    def __init__(self, ledger: str | Path) -> None:
        self.ledger = Path(ledger)
        self.path = self.ledger.with_name(self.ledger.name + ".lock")
        self._real = os.path.realpath(self.path)
        self._mine: _Held | None = None

    def acquire(self, now: float) -> None:
        """Take the lock; raise LedgerLocked naming the holder if another process has it.

        `now` is Unix time in seconds. Raise LedgerUnwritable where the lock's file cannot be made.
        """
        assert not self._is_held, "one lock object is acquired once"
        with _guard:
            held = _held.get(self._real)
            if held is None:
                held = _held[self._real] = _Held(self._lock(now), 0)
            held.count += 1
            self._mine = held

    def release(self) -> None:
        """Give the lock back; without having it, as in the child of a fork, this does nothing."""
        with _guard:
            held, was_held, self._mine = self._mine, self._is_held, None
            if held is None or not was_held:
                return
            held.count -= 1
            if not held.count:
                del _held[self._real]
                with suppress(OSError):
                    os.ftruncate(held.descriptor, 0)
                _unlock(held.descriptor)
                os.close(held.descriptor)

    def confirm(self, now: float) -> None:
        """Make sure that the lock keeps others out: on a file that was removed or replaced it does not.

        There it is taken again on the file that is at the path; raise LedgerLocked if another process was quicker.
        Where the whole folder is gone there is nothing to keep others out of, and a commit will say so.
        """
        with _guard:
            held = self._mine
            if held is None or not self._is_held or self._stands_on(held.descriptor):
                return
            if self.path.parent.is_dir():
                descriptor = self._lock(now)
                os.close(held.descriptor)
                held.descriptor = descriptor

    def holder(self) -> Holder | None:
        """Return who wrote that they hold the lock, None where nobody did; the lock itself decides, not this."""
        try:
            told = json.loads(self.path.read_text(encoding="utf-8"))
            return Holder(pid=int(told["pid"]), since=str(told["since"]))
        except (OSError, ValueError, TypeError, KeyError, OverflowError):
            return None

    @property
    def _is_held(self) -> bool:
        return self._mine is not None and _held.get(self._real) is self._mine

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
        try:
            is_ours = _try_lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise LedgerUnwritable(
                f"lock file {self.path} cannot be locked ({error.strerror}); keep the ledger on a disk of this machine"
            ) from error
        if not is_ours:
            os.close(descriptor)
            raise LedgerLocked(self._refusal())
        if not self._stands_on(descriptor):
            # Removed by somebody between the opening and the locking.
            os.close(descriptor)
            return self._lock(now)
        since = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        # The name is a courtesy: a full disk that takes none is no reason to go without the lock.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, json.dumps({"pid": os.getpid(), "since": since}).encode())
        return descriptor

    def _stands_on(self, descriptor: int) -> bool:
        # Windows removes no file that is open.
        if os.name == "nt":
            return True
        try:
            return os.path.samestat(self.path.stat(), os.fstat(descriptor))
        except OSError:
            return False

    def _refusal(self) -> str:
        holder = self.holder()
        # The holder may be between taking the lock and writing its name.
        by = f"process {holder.pid} since {holder.since}" if holder else "another process"
        return f"ledger {self.ledger} is in use by {by}; stop it or use another --db"


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
