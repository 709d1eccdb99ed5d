"""The README's pictures of the terminal: current, whole, and made of nothing that has to be fetched."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.generators import FOLDER, check

PICTURES = sorted((FOLDER / "pictures").glob("*.svg"))


def test_the_pictures_show_what_the_commands_print() -> None:
    """U4: `python man/pictures.py` draws them."""
    assert check("pictures.py") == (0, "", "")
    assert {path.stem for path in PICTURES} >= {"positions", "watch", "stats", "recover"}


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_a_picture_is_whole_and_fetches_nothing(path: Path) -> None:
    """A page with it names no other host, and no font comes from the net."""
    text = path.read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert re.findall(r"\w+://[^\"' )]+", text) == ["http://www.w3.org/2000/svg"]
    assert "url(" not in text.replace("url(#", "")
