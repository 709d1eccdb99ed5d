"""What a killed process left half-written is removed, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dtcpos.exporters.placing import replacing
from dtcpos.settings_editing import draft_of, save
from dtcpos.store import PositionRepository
from dtcpos.store.backup import back_up


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def left(folder: Path, *names: str, age_s: float = 3600.0) -> None:
    """Leave files behind, last written to so long ago."""
    for name in names:
        (folder / name).write_text("half", encoding="utf-8")
        when = (folder / name).stat().st_mtime - age_s
        os.utime(folder / name, (when, when))


def test_the_next_backup_removes_what_a_killed_one_left(tmp_path: Path, gone: int) -> None:
    """U3: a copy in the making is as large as the ledger; those of killed runs must not fill the disk."""
    ledger, folder = tmp_path / "ledger.db", tmp_path / "copies"
    folder.mkdir()
    PositionRepository.open(ledger).close()
    left(folder, f".a.db.{gone}-x1_y.part", f".a.db.{gone}-x1_y.part-journal")
    back_up(ledger, folder / "a.db")
    assert [path.name for path in folder.iterdir()] == ["a.db"]


def test_the_next_change_of_the_settings_removes_what_a_killed_one_left(tmp_path: Path, gone: int) -> None:
    """U3: half a settings file may have a webhook's password in it, and must not lie about for ever."""
    place = tmp_path / "settings.toml"
    left(tmp_path, f".settings.toml.{gone}-x1_y.part")
    save(draft_of(place), "[server]\nport = 11100\n")
    assert [path.name for path in tmp_path.iterdir()] == ["settings.toml"]


def test_what_may_still_be_written_stays(tmp_path: Path, gone: int) -> None:
    """U3: another run's file, one of another name, one that was written to just now."""
    kept = [
        f".a.csv.{os.getpid()}-x.part",
        f".b.csv.{gone}-x.part",
        ".a.csv.mine.part",
        ".a.csv.part",
    ]
    left(tmp_path, *kept)
    left(tmp_path, f".a.csv.{gone}-new.part", age_s=5)
    left(tmp_path, f".a.csv.{gone}-old.part")
    with replacing(tmp_path / "a.csv") as out:
        out.write("whole")
    assert {path.name for path in tmp_path.iterdir()} == {*kept, f".a.csv.{gone}-new.part", "a.csv"}
