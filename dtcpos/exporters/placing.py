"""Files that appear whole or not at all, and names that differ from run to run."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from dtcpos.errors import OutputUnwritable, UsageError
from dtcpos.store.parts import BESIDE, SUFFIX, clear_leftovers, flush_folder, part_prefix

_PLACEHOLDER = re.compile(r"\{(date|number)(?::0?(\d))?\}")
_DATABASE = b"SQLite format 3\0"


def named(template: Path, *, day: date, number: int = 1) -> Path:
    """Return a path with `{date}` as 2026-11-22 and `{number}` (`{number:04}` with zeros) put in."""

    def value(match: re.Match[str]) -> str:
        return day.isoformat() if match[1] == "date" else str(number).zfill(int(match[2] or 0))

    return Path(_PLACEHOLDER.sub(value, str(template)))


def has_placeholder(template: Path, word: str) -> bool:
    """Return whether a path has a place for `date` or `number`."""
    return any(match[1] == word for match in _PLACEHOLDER.finditer(str(template)))


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """Yield a file that takes the path's place, in one step, when the block ends well.

    Where the path is a link, what it points to is replaced and the link stays. What is no file, such as a pipe or a
    device, is written into. Raises OutputUnwritable naming the path, and UsageError where a ledger is there.
    """
    refuse_ledger(path)
    with naming(path):
        if _is_special(path):
            with path.open("w", encoding="utf-8", newline="") as out:
                yield out
            return
        # The part lies beside the link's target, so that the rename stays within a file system.
        target = Path(os.path.realpath(path))
        with _part_of(target) as out:
            part = Path(out.name)
            clear_leftovers(target, part)
            try:
                yield out
                complete(out)
                part.chmod(0o666 & ~_umask())
                part.replace(target)
                flush_folder(target.parent)
            except BaseException:
                out.close()
                part.unlink(missing_ok=True)
                raise


def refuse_ledger(path: Path) -> None:
    """Raise UsageError where a path, links followed, is a database or what lies beside one: none is written over."""
    real = Path(os.path.realpath(path))
    endings = [ending for ending in (*BESIDE, ".lock") if real.name.endswith(ending)]
    if any(map(_is_database, [real, *(real.with_name(real.name.removesuffix(ending)) for ending in endings)])):
        raise UsageError(f"{path} belongs to a ledger, which is not written over; name another file")


def _is_database(path: Path) -> bool:
    try:
        # A pipe would be waited for.
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_DATABASE)) == _DATABASE
    except OSError:
        # What cannot be read is refused, or replaced, like any other file.
        return False


@contextmanager
def writing(part: Path, path: Path) -> Iterator[IO[str]]:
    """Yield a file of its own that is on the disk, under its own name, when the block ends well.

    Raises OutputUnwritable naming `path`, the file it is to become.
    """
    with naming(path):
        try:
            with part.open("w", encoding="utf-8", newline="") as out:
                yield out
                complete(out)
            flush_folder(part.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def complete(out: IO[str]) -> None:
    """Close a file with everything written to it on the disk."""
    out.flush()
    os.fsync(out.fileno())
    out.close()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file where its folder or its disk does not do as it should: OutputUnwritable."""
    try:
        yield
    except OSError as error:
        raise OutputUnwritable(
            f"cannot write {path}: {error.strerror or error}; free some room or choose another --output"
        ) from error


def _is_special(path: Path) -> bool:
    """Return whether something is at the path, links followed, that cannot be replaced by a file."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False


@contextmanager
def _part_of(path: Path) -> Iterator[IO[str]]:
    # In the same folder, because a rename is atomic only within a file system.
    with NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=part_prefix(path), suffix=SUFFIX, delete=False
    ) as out:
        yield out


def _umask() -> int:
    # Temporary files are private; the finished one is as readable as any other the person makes.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
