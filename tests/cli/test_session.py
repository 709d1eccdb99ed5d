"""What `connect` makes of its options before there is a connection."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dtcpos.cli.session import _feed
from dtcpos.errors import UsageError


def test_a_snapshot_file_is_of_every_symbol_or_of_one(tmp_path: Path) -> None:
    """`--snapshot-csv PATH` and `SYMBOL=PATH`; an equals sign in a folder's name is no symbol."""
    folder = tmp_path / "a=b"
    folder.mkdir()
    every, one = folder / "all.csv", tmp_path / "mes.csv"
    every.write_text("1,2,3,4,5,6\n", encoding="ascii")
    one.write_text("1,2,3,7,8,9\n", encoding="ascii")
    assert every.stat().st_mtime <= time.time()
    feed = _feed([str(every), f"MESZ26-CME={one}"])
    assert feed is not None
    assert [figures.vwap for symbol in ("MESZ26-CME", "CLF27-NYMEX") if (figures := feed(symbol))] == [7, 4]
    only = _feed([f"MESZ26-CME={one}"])
    assert only is not None
    assert only("CLF27-NYMEX") is None
    assert _feed([]) is None


@pytest.mark.parametrize("wishes", [["MESZ26-CME="], ["a.csv", "b.csv"], [""]])
def test_a_file_missing_or_named_twice_is_refused(wishes: list[str]) -> None:
    """U4: the value and the remedy."""
    with pytest.raises(UsageError, match="SYMBOL=PATH"):
        _feed(wishes)
