"""The man pages say what the program does."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dtcpos.cli.known_settings import KEYS, TABLES

MAKE = Path(__file__).parents[2] / "man" / "make.py"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("man_make_here", MAKE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_current(make: ModuleType) -> None:
    """U4: they say what the commands do; `python man/make.py` writes them."""
    written = {path.name: path.read_text(encoding="utf-8") for path in make.FOLDER.glob("*.1")}
    assert written == make.pages()


def test_every_setting_is_in_the_manual(make: ModuleType) -> None:
    """With its table, its meaning and its default, from the table `config --explain` is made of."""
    page = make.pages()["dtcpos-config.1"]
    _, _, settings = page.partition("\n.SH SETTINGS\n")
    settings = settings.partition("\n.SH ")[0]
    tables = [part.partition("]")[0].partition(".")[0] for part in settings.split("\n.SS [")[1:]]
    assert tables == list(TABLES)
    for key in KEYS:
        section = settings.partition(f"\n.SS [{key.table}")[2].partition("\n.SS ")[0]
        entry = section.partition(f"\n.TP\n\\fB{key.name}\\fR\n")[2].partition("\n.TP\n")[0]
        assert make._escaped(key.meaning)[1:] in entry
        assert make._escaped(f"Default: {key.default}." if key.default else f"such as {key.sample}.") in entry


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_the_pages_are_sound_roff(make: ModuleType) -> None:
    """The formatter has nothing to say of them."""
    for page in ("dtcpos-config.1", "dtcpos-connect.1"):
        ran = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww", "-z"],
            input=make.pages()[page],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (0, "")
