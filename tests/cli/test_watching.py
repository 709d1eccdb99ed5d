"""`dtcpos positions --watch`."""

from __future__ import annotations

import importlib.util
import io
import os
import select
import signal
import subprocess
import sys
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

import dtcpos.cli.watching
from dtcpos.cli.render import STATUS_STYLES
from dtcpos.cli.watching import Picture, drawing, lines_of, look, watch_positions
from dtcpos.model import Mark, PositionKey, Status
from dtcpos.settings import Settings
from dtcpos.store import LedgerReader, Selection
from tests.cli.conftest import MES, NOW, SIM_MES, Shell, fill, record

ROOT = Path(__file__).parents[2]


def picture(shell: Shell, selection: Selection | None = None, *, later_s: float = 0) -> Picture:
    with LedgerReader.open(shell.path) as reader:
        return look(reader, selection or Selection(), Settings(), NOW + timedelta(seconds=later_s))


def texts(shown: Picture, width: int = 80, height: int | None = None) -> list[str]:
    return [line.text for line in lines_of(shown, width, height)]


def test_everything_is_there_at_80_columns(shell: Shell) -> None:
    """Mode and account on every position and above; ages of mark and agreement; points to stop and target."""
    found = texts(picture(shell, later_s=2))
    assert all(len(line) <= 80 for line in found)
    text = "\n".join(found)
    assert found[0] == "MODE ALL   ACCOUNT ALL   2026-11-20 16:00:02Z   Ctrl-C ends"
    assert found[1] == "link 127.0.0.1:11099 ready, heard 2s ago"
    assert found[3].split() == ["MODE", "ACCOUNT", "SYMBOL", "QTY", "ENTRY", "MARK", "UNREALIZED", "STATUS"]
    assert found[4].split() == ["LIVE", "120005", MES, "-1", "5060", "5055.5", "+22.50", "VERIFIED"]
    assert "  mark 5055.5, 5s ago   no stop   no target   agreed 2s ago   held 1h 56m" in found
    assert "  no mark yet   no stop   no target   never agreed   held 1h 55m" in found
    # Long 2 @ 5051, mark 5055.5: the stop at 5040 and the target at 5070.
    assert "stop 5040, 15.5 pts away   target 5070, 14.5 pts away" in text
    assert [line for line in found if line.startswith("BREAK  LIVE 120005 MNQZ26-CME: the server holds 2")]


def test_distances_of_a_short_and_of_what_was_passed(shell: Shell) -> None:
    """A short's stop is above the mark; one the market has gone through says so."""
    key = PositionKey("LIVE", "120005", MES)
    with shell.writer as writer, writer.transaction():
        writer.set_brackets(key, Decimal("5055.75"), Decimal("5061.25"))
    text = "\n".join(texts(picture(shell, Selection(modes=("LIVE",)))))
    assert "stop 5061.25, 5.75 pts away" in text
    assert "target 5055.75, passed by 0.25 pts" in text


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_no_width_hides_mode_account_quantity_or_status(shell: Shell, width: int) -> None:
    """A line that is too long is folded, never cut."""
    found = texts(picture(shell), width)
    assert all(len(line) <= width for line in found)
    text = "\n".join(found)
    assert text.count("120005") >= 2
    for word in ("LIVE", "SIM", "Sim1", "VERIFIED", "UNVERIFIED", "BREAK"):
        assert word in text.split()
    marked = [line.text[line.start :].split()[0] for line in lines_of(picture(shell), width) if line.status]
    assert marked == ["VERIFIED", "BREAK", "UNVERIFIED", "BREAK", "UNVERIFIED"]
    assert ("MAE" in text) is (width == 200)


@pytest.mark.parametrize("height", [30, 14, 10, 4])
def test_a_low_window_says_what_it_leaves_out(shell: Shell, height: int) -> None:
    """First what stands beneath the positions goes; then lines are missing, and their number is said."""
    shown = picture(shell)
    found = texts(shown, 80, height)
    assert len(found) <= height
    whole = texts(shown)
    if height < 14:
        assert "do not fit" in found[-1]
    assert (found == whole) is (len(whole) <= height)


def test_the_view_is_said_and_what_it_hides(shell: Shell) -> None:
    """M1: looking at one mode never looks like holding nothing else."""
    found = texts(picture(shell, Selection(modes=("SIM",), account="nobody")))
    assert found[0].startswith("MODE SIM   ACCOUNT nobody")
    assert "no open positions" in found
    assert "not shown: 3 open in other modes or accounts; --mode ALL lists them" in found


def test_a_link_that_fell_silent_ages_into_stale(shell: Shell) -> None:
    """S3: without any write the status changes with the time."""
    found = texts(picture(shell, Selection(modes=("LIVE",), symbol=MES), later_s=30))
    assert "STALE" in found[4].split()
    assert "STALE  LIVE 120005 MESZ26-CME: the link has been silent for 30 s" in found


def test_a_console_of_80_columns_shows_words_on_a_ground_of_their_own(shell: Shell) -> None:
    """Readable on light and dark: every style names letters and ground, and says what a word says already."""
    shown = picture(shell)
    console = Console(record=True, width=80, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(drawing(lines_of(shown, 80)))
    assert console.export_text(clear=False).splitlines() == [line.rstrip() for line in texts(shown)]
    html = console.export_html(inline_styles=True)
    for word in ("VERIFIED", "UNVERIFIED", "BREAK"):
        assert f'background-color: {_ground_in(html, word)}">{word}</span>' in html
    assert set(STATUS_STYLES) == set(Status)
    assert all(" on " in style for style in STATUS_STYLES.values())


def _ground_in(html: str, word: str) -> str:
    before = html[: html.index(f">{word}</span>")]
    return before[before.rindex("background-color: ") :].removeprefix("background-color: ").rstrip('"')


class Pipe(io.StringIO):
    """Standard output into a pipe; each picture begins with the mode looked at."""

    def pictures(self) -> list[str]:
        return [text for text in self.getvalue().split("MODE SIM ") if text]


def test_into_a_pipe_text_when_something_other_than_an_age_changed(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain text; a log is not filled with ages, and Ctrl-C is no fault wherever it strikes."""
    out, moments = Pipe(), iter(range(100))

    def turns(_reader: LedgerReader, *, at_least_every_s: float) -> object:
        assert at_least_every_s <= 1
        for turn in range(4):
            if turn == 2:
                with shell.writer as writer, writer.transaction():
                    writer.put_marks([Mark(symbol=MES, price=Decimal("5056"), time=NOW + timedelta(seconds=1))])
            yield
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(dtcpos.cli.watching, "changes", turns)
    with LedgerReader.open(shell.path) as reader:
        watch_positions(
            reader, Selection(modes=("SIM",)), Settings(), clock=lambda: NOW + timedelta(seconds=next(moments))
        )
    assert "\x1b" not in out.getvalue()
    assert [("5055.5" in text, "5056" in text) for text in out.pictures()] == [(True, False), (False, True)]


HAS_PTY = importlib.util.find_spec("pty") is not None and hasattr(os, "openpty")


def read_until(descriptor: int, wanted: bytes, seen: bytearray, *, within_s: float = 30) -> None:
    until = time.monotonic() + within_s
    while wanted not in seen:
        left = until - time.monotonic()
        assert left > 0, bytes(seen[-2000:])
        if select.select([descriptor], [], [], min(left, 0.1))[0]:
            seen += os.read(descriptor, 65536)


@pytest.mark.skipif(not HAS_PTY, reason="the system has no pseudo-terminals")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_it_redraws_in_place_and_ends_with_0(shell: Shell, stop: signal.Signals) -> None:
    """Another process's write appears; drawn over and not scrolled; Ctrl-C leaves the last picture and the cursor."""
    outer, inner = os.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "dtcpos", "positions", "--watch", "--db", str(shell.path)]
    running = subprocess.Popen(words, stdin=inner, stdout=inner, stderr=inner, env=environment, cwd=ROOT)
    try:
        os.close(inner)
        seen = bytearray()
        read_until(outer, b"MODE ALL", seen)
        assert b"\x1b[?1049h" in seen, "the other screen"
        assert b"\x1b[2J" not in seen, "clearing first is what flickers"
        with shell.writer as writer, writer.transaction():
            key = SIM_MES._replace(symbol="CLF27-NYMEX")
            record(writer, key, [fill(key, "+1 @ -37.63", minute=9)])
        read_until(outer, b"-37.63", seen)
        running.send_signal(stop)
        read_until(outer, b"\x1b[?1049l", seen)
        left_behind = seen[seen.index(b"\x1b[?1049l") :]
        read_until(outer, b"not yet compared", left_behind)
        assert running.wait(30) == 0
    finally:
        running.kill()
        running.wait()
        os.close(outer)
