"""The log of a `connect` that runs for good: a line for everything printed and said, with its time in UTC.

Invariants:
1. A log that cannot be written never stops the feed: that is said once, and writing is tried again with later lines.
2. One line of the file is one line that was printed; what a server sends can forge no second one.
3. The password is in none of them.
4. Several processes may write to one file: a line is written in one piece, and who finds the file replaced opens the
   new one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

_SPEAK_EVERY_S = 3600.0


class LogFile:
    """Writes lines to a file of which a new one is begun at `size_max` bytes and `keep` old ones stay.

    `say` is given a sentence where the file cannot be written; `clock` tells the time.
    """

    def __init__(
        self, path: Path, *, size_max: int, keep: int, say: Callable[[str], None], clock: Callable[[], datetime]
    ) -> None:
        self.path, self._clock, self._say = path, clock, say
        self._secrets: list[str] = []
        self._spoken_at: dict[str, datetime] = {}
        self._handler = _Rotating(path, size_max, keep, self._complain)

    def hide(self, secret: str) -> None:
        """Never write this text."""
        if secret:
            self._secrets.append(secret)

    def write(self, line: str) -> None:
        """Write a line; from any thread."""
        for secret in self._secrets:
            line = line.replace(secret, "***")
        moment = self._clock().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        self._handler.handle(logging.makeLogRecord({"msg": f"{moment}Z  {_one_line(line)}"}))

    def close(self) -> None:
        """Give the file back."""
        self._handler.close()

    def _complain(self, error: OSError) -> None:
        """Say why the file cannot be written: once an hour for each reason."""
        words = error.strerror or str(error)
        now = self._clock()
        spoken_at = self._spoken_at.get(words)
        if spoken_at is None or (now - spoken_at).total_seconds() >= _SPEAK_EVERY_S:
            self._spoken_at[words] = now
            self._say(f"the log {self.path} cannot be written: {words}; the ledger is kept all the same")


class _Rotating(RotatingFileHandler):
    """The library's handler, which tells what goes wrong instead of printing a traceback, and writes on regardless."""

    def __init__(self, path: Path, size_max: int, keep: int, complain: Callable[[OSError], None]) -> None:
        self._complain = complain
        # Where the file could not be renamed it grows on, and is tried again when this much more is in it.
        self._grown_to = 0
        super().__init__(
            path, maxBytes=size_max, backupCount=keep, encoding="utf-8", delay=True, errors="backslashreplace"
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self.stream is not None and self._is_replaced(self.stream):
                self._let_go()
            if self.stream is None:
                self.stream = self._open()
            if self.shouldRollover(record):
                self.doRollover()
            assert self.stream is not None, "a rollover ends with an open file"
            # In one piece, so that the lines of two processes are never mixed.
            self.stream.write(self.format(record) + self.terminator)
            self.stream.flush()
        except OSError as error:
            self._let_go()
            self._complain(error)

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        """Ask the library, but not again where renaming has just failed."""
        if self._grown_to and self.stream is not None and os.fstat(self.stream.fileno()).st_size < self._grown_to:
            return False
        return bool(super().shouldRollover(record))

    def doRollover(self) -> None:
        try:
            # The library closes the file before it renames it, which Windows needs.
            super().doRollover()
            self._grown_to = 0
        except OSError as error:
            # On Windows nobody can rename what another process has open.
            self._complain(OSError(error.errno, f"no new file can be begun ({error.strerror or error})"))
        if self.stream is None:
            self.stream = self._open()
            size = os.fstat(self.stream.fileno()).st_size
            self._grown_to = size + self.maxBytes if size else 0

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        try:
            if _ends_in_the_middle(Path(self.baseFilename)):
                stream.write("\n")
        except OSError:
            stream.close()
            raise
        return stream

    def _is_replaced(self, stream: TextIOWrapper) -> bool:
        """Return whether the path is no longer the file that is open, because another process has rotated it."""
        try:
            named, held = Path(self.baseFilename).stat(), os.fstat(stream.fileno())
        except FileNotFoundError:
            return True
        return (named.st_dev, named.st_ino) != (held.st_dev, held.st_ino)

    def _let_go(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            # What was not written when the disk was full is not written now either.
            with suppress(OSError):
                stream.close()


def _ends_in_the_middle(path: Path) -> bool:
    """Return whether a file's last line was cut, by a full disk or a lost machine."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


def _one_line(text: str) -> str:
    line = "; ".join(part.strip() for part in text.splitlines() if part.strip()) if "\n" in text else text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line.rstrip())
