"""Change the settings file one key at a time, and prove that nothing else has changed.

Invariants:
1. What is written is valid TOML, is accepted as settings, and says the same as before but for the one key.
2. The file is replaced in one step or not at all, keeps who may read it, and is not overwritten where somebody else
   has changed it meanwhile.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from tempfile import mkstemp
from typing import Any, NamedTuple

from dtcpos.errors import OutputUnwritable, SettingsError
from dtcpos.settings import parsed, settings_of, settings_text
from dtcpos.store.parts import SUFFIX, clear_leftovers, flush_folder, part_prefix
from dtcpos.toml_text import line_of, with_value, without

KeyPath = tuple[str, ...]
# Readable by its owner alone: a webhook's address is a secret.
_PRIVATE = 0o600


class Draft(NamedTuple):
    """A settings file as it was read: its text, its encoding, and the bytes nobody may have changed since."""

    path: Path
    text: str
    encoding: str
    content: bytes | None


def draft_of(path: Path) -> Draft:
    """Read a file to change it; one that is not there yet is empty. Raises `SettingsError`."""
    if not path.exists():
        return Draft(path, "", "utf-8", None)
    if not path.is_file():
        # A device would be replaced by a file.
        raise SettingsError(f"settings {path} are no file that can be changed; use another --config")
    # The bytes first: what is changed between the two reads is then seen when it is saved.
    content = None
    with suppress(OSError):
        # What cannot be read is refused below, in words.
        content = path.read_bytes()
    text, encoding = settings_text(path)
    return Draft(path, text, encoding, content)


def with_key(text: str, path: KeyPath, value: str, place: str) -> str:
    """Return the text with one key set to a value written as TOML. Raises `SettingsError` where it cannot be."""
    before = parsed(text, place)
    wanted = deepcopy(before)
    table: Any = wanted
    for word in path[:-1]:
        table = table.setdefault(word, {})
        if not isinstance(table, dict):
            raise SettingsError(f"{place}: {word} is no table; use `dtcpos config edit`")
    table[path[-1]] = parsed(f"value = {value}", place)["value"]
    return _proved(with_value(text, path, value), wanted, path, place)


def without_key(text: str, path: KeyPath, place: str) -> str:
    """Return the text without a key, which must be in it. Raises `SettingsError`."""
    wanted = deepcopy(parsed(text, place))
    table: Any = wanted
    for word in path[:-1]:
        table = table.get(word, {})
    del table[path[-1]]
    return _proved(without(text, path), wanted, path, place)


def _proved(text: str, wanted: dict[str, Any], path: KeyPath, place: str) -> str:
    name = ".".join(path)
    try:
        found = parsed(text, place)
    except SettingsError:
        found = None
    if found is None or not _same(_filled(found), _filled(wanted)):
        raise SettingsError(
            f"{name} in {place} is written in a way that cannot be changed by itself; use `dtcpos config edit`"
        )
    settings_of(found, place)
    return text


def _filled(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out tables that say nothing."""
    kept = {name: _filled(value) if isinstance(value, dict) else value for name, value in tables.items()}
    return {name: value for name, value in kept.items() if value != {}}


def _same(one: Any, other: Any) -> bool:
    """Compare with kinds and with the order of keys: 1 is not true, and the first account pattern wins."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    return type(one) is type(other) and str(one) == str(other)


def faults_of(text: str, place: str) -> Iterator[tuple[int | None, str]]:
    """Yield everything that is wrong with a settings text, with the number of the line where there is one."""
    try:
        tables = parsed(text, place)
    except SettingsError as error:
        # TOML's own message has the line in its words.
        yield None, str(error)
        return
    for path, alone in _alone(tables):
        try:
            settings_of(alone, "")
        except SettingsError as error:
            yield line_of(text, path), str(error).removeprefix(": ")


def _alone(tables: Mapping[str, Any]) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """Yield every key of a settings file as a file of its own."""
    for name, table in tables.items():
        if not isinstance(table, dict) or not table:
            yield (name,), {name: table}
            continue
        for key, value in table.items():
            if name == "instruments" and isinstance(value, dict) and value:
                for inner, each in value.items():
                    yield (name, key, inner), {name: {key: {inner: each}}}
            else:
                yield (name, key), {name: {key: value}}


def save(draft: Draft, text: str) -> None:
    """Put a text in the place of the file it was drafted from, in one step.

    A link stays and what it points to is replaced. Raises OutputUnwritable, or `SettingsError` where somebody else has
    changed the file meanwhile.
    """
    target = Path(os.path.realpath(draft.path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone_in(target.parent):
            present = target.read_bytes() if target.exists() else None
            if present != draft.content:
                raise SettingsError(f"settings {draft.path} were changed by somebody else meanwhile; try again")
            mode = target.stat().st_mode & 0o777 if present is not None else _PRIVATE
            _replace(target, text.encode(draft.encoding), mode)
    except OSError as error:
        raise OutputUnwritable(f"cannot write settings {draft.path}: {error.strerror or error}") from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let one process at a time compare and replace; Windows cannot lock a folder, and there nobody waits."""
    if sys.platform == "win32":
        yield
        return
    from fcntl import LOCK_EX, flock

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems have no locks; two who save there at one moment are then as on Windows.
        with suppress(OSError):
            flock(descriptor, LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(target: Path, content: bytes, mode: int) -> None:
    descriptor, name = mkstemp(dir=target.parent, prefix=part_prefix(target), suffix=SUFFIX)
    part = Path(name)
    clear_leftovers(target, part)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        part.chmod(mode)
        part.replace(target)
        flush_folder(target.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
