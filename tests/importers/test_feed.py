"""The one-line CSV of another program's session figures."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.importers.feed import feed_of, read_snapshot, snapshot_of_line
from dtcpos.model import Snapshot

D = Decimal
LINE = "5050.25,5060,5040.5,5049.75,5048,-1204\n"
FOUND = Snapshot(vwap=D("5049.75"), cum_delta=D(-1204), poc=D(5048))
WRITTEN_AT = 1_795_867_200.0


def written(folder: Path, text: str, *, at: float = WRITTEN_AT) -> Path:
    path = folder / "feed.csv"
    path.write_bytes(text.encode())
    os.utime(path, (at, at))
    return path


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        LINE.replace("\n", "\r\n"),
        LINE.replace(",", ", "),
        "last,high,low,vwap,poc,cum_delta\n" + LINE,
        "\ufeff" + LINE,
    ],
)
def test_one_whole_line_is_read(tmp_path: Path, text: str) -> None:
    """last, high, low, vwap, poc, cum_delta; with or without the names, as different programs write lines."""
    assert read_snapshot(written(tmp_path, text), now=WRITTEN_AT) == FOUND


@pytest.mark.parametrize("length", range(len(LINE)))
def test_half_a_line_is_nothing(tmp_path: Path, length: int) -> None:
    """Cut anywhere, also inside the last number, it is null and never a guess."""
    assert read_snapshot(written(tmp_path, LINE[:length]), now=WRITTEN_AT) == Snapshot()


def test_a_line_without_its_end_counts_once_it_has_lain_still(tmp_path: Path) -> None:
    """Some programs write no line's end; what has not moved for a second is not being written."""
    path = written(tmp_path, LINE.rstrip())
    assert read_snapshot(path, now=WRITTEN_AT + 0.9) == Snapshot()
    assert read_snapshot(path, now=WRITTEN_AT + 1) == FOUND


@pytest.mark.parametrize(
    "text",
    [
        LINE + "4\n",  # a shorter line over a longer one
        LINE + "\n",
        LINE + LINE,
        "5050.25,5060,5040.5,,5048,-1204\n",
        "5050.25,5060,5040.5,nan,5048,-1204\n",
        "5050.25,5060,5040.5,inf,5048,-1204\n",
        "5050.25,5060,5040.5,5_049,5048,-1204\n",
        "5050.25,5060,5040.5,5049.75,5048,-1204,1\n",
        "5050,25;5060;5040\n",
        "\0" * 38 + "\n",
        "9" * 5000,
        "",
    ],
)
def test_what_is_not_one_line_of_six_numbers_is_nothing(tmp_path: Path, text: str) -> None:
    """The remains of a longer line, too few or too many fields, no numbers."""
    assert read_snapshot(written(tmp_path, text), now=WRITTEN_AT) == Snapshot()


def test_an_old_or_absent_file_is_nothing(tmp_path: Path) -> None:
    """Whoever wrote it has stopped: what was so a minute ago is not what is."""
    path = written(tmp_path, LINE)
    assert read_snapshot(path, now=WRITTEN_AT + 60) == FOUND
    assert read_snapshot(path, now=WRITTEN_AT + 61) == Snapshot()
    assert read_snapshot(tmp_path / "absent.csv", now=WRITTEN_AT) == Snapshot()
    assert read_snapshot(tmp_path, now=WRITTEN_AT) == Snapshot()


def test_zero_is_no_average_but_a_delta() -> None:
    """U6: that program writes 0.0 for a price it does not have."""
    assert snapshot_of_line("0.0,0.0,0.0,0.0,0.0,0\n") == Snapshot(cum_delta=D(0))


def test_a_symbols_own_file_comes_before_the_one_of_all(tmp_path: Path) -> None:
    """Without a file for a symbol the feed has nothing to say of it, which is not the same as null."""
    path = written(tmp_path, LINE)
    figures = feed_of({"MES": path}, clock=lambda: WRITTEN_AT)
    assert (figures("MES"), figures("CL")) == (FOUND, None)
    assert feed_of({"": path, "CL": tmp_path / "absent"}, clock=lambda: WRITTEN_AT)("CL") == Snapshot()
    assert feed_of({"": path}, clock=lambda: WRITTEN_AT)("CL") == FOUND
