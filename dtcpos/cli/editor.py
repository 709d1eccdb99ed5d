"""A person's own editor on a copy of the settings."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

import typer

from dtcpos.errors import DtcposError, SettingsError, UsageError
from dtcpos.settings import settings_text
from dtcpos.settings_editing import draft_of, faults_of, save

_USUAL = ("notepad",) if os.name == "nt" else ("sensible-editor", "nano", "vi")


def edit_settings(path: Path, template: str) -> None:
    """Let a person edit the settings, and take the result when it is valid.

    Where there is no file yet the template is what they see. What is invalid may be edited again; otherwise the
    settings stay as they are and the copy stays too. Raises UsageError.
    """
    if not _is_terminal():
        raise UsageError(
            "an editor needs a terminal; use `dtcpos config set KEY VALUE`, or write the file and check it"
        )
    editor = _editor()
    draft = draft_of(path)
    before = draft.text if draft.content is not None else template
    copy = _copy_of(before)
    while True:
        _run(editor, copy, before)
        text, _ = settings_text(copy)
        faults = list(faults_of(text, "what you wrote"))
        if not faults:
            break
        for line, fault in faults:
            print(f"line {line}: {fault}" if line is not None else fault, file=sys.stderr)
        if not typer.confirm("Edit it again?", default=True, err=True):
            raise SettingsError(f"settings {path} are as they were; what you wrote is in {copy}")
    if _plain(text) == _plain(before):
        print("nothing changed")
    else:
        try:
            save(draft, text)
        except DtcposError as error:
            raise type(error)(f"{error}; what you wrote is in {copy}") from error
        print(f"{path}: changed")
    copy.unlink()


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def _copy_of(text: str) -> Path:
    # Private, as the settings may hold a secret; bytes, so that line ends stay as they are.
    descriptor, name = mkstemp(prefix="dtcpos-", suffix=".toml")
    with os.fdopen(descriptor, "wb") as out:
        out.write(text.encode("utf-8"))
    return Path(name)


def _editor() -> str:
    for name in ("VISUAL", "EDITOR"):
        if os.environ.get(name, "").strip():
            return os.environ[name]
    found = next((shutil.which(name) for name in _USUAL if shutil.which(name)), None)
    if found is None:
        raise UsageError("no editor found; name one in EDITOR")
    return f'"{found}"' if os.name == "nt" else shlex.quote(found)


def _run(editor: str, copy: Path, before: str) -> None:
    # By the shell, as every program does with EDITOR: it may have options and quotes in it.
    quoted = f'"{copy}"' if os.name == "nt" else shlex.quote(str(copy))
    ended = subprocess.run(f"{editor} {quoted}", shell=True, check=False)
    if ended.returncode:
        words = f"the editor {editor} ended with {ended.returncode}; the settings are as they were"
        raise UsageError(f"{words}{_kept(copy, before)}")


def _kept(copy: Path, before: str) -> str:
    """Remove a copy that nothing was written to; of any other return where it is."""
    with suppress(FileNotFoundError):
        if copy.read_bytes() != before.encode("utf-8"):
            return f"; what you wrote is in {copy}"
        copy.unlink()
    return ""
