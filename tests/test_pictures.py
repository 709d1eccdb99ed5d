"""The README's pictures of the terminal: current, whole, and made of nothing that has to be fetched."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
PICTURES = sorted((ROOT / "man" / "pictures").glob("*.svg"))


def test_the_pictures_show_what_the_commands_print() -> None:
    """U4: `python man/pictures.py` draws them."""
    ran = subprocess.run(
        [sys.executable, str(ROOT / "man" / "pictures.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert {path.stem for path in PICTURES} >= {"positions", "watch", "stats", "recover"}


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_whole_and_fetches_nothing(path: Path) -> None:
    """A page with it names no other host, and no font comes from the net."""
    text = path.read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert re.findall(r"\w+://[^\"' )]+", text) == ["http://www.w3.org/2000/svg"]
    assert "url(" not in text.replace("url(#", "")
