"""`dtcpos stats`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from attrs import evolve

from dtcpos.cli.figures import bar, print_block, sparkline
from dtcpos.earnings import performance
from dtcpos.model import PositionKey
from dtcpos.settings import TradingDay
from dtcpos.store import Selection
from dtcpos.store.exits import ExitReader
from tests.cli.conftest import LIVE_MNQ, MES, MNQ, NOW, SIM_MES, Shell, fill, record

ROOT = Path(__file__).parents[2]
SLICE_KEYS = """
    realized_points realized_pnl gross_pnl commission net_pnl exits trades wins losses hit_rate exits_unknown
    commission_unknown
""".split()
OPEN_KEYS = ["unrealized_points", "unrealized_pnl", "open_positions", "positions_unmarked"]


@pytest.fixture
def earned(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The ledger of every command, asked at its own time."""
    monkeypatch.setattr("dtcpos.cli.stats.utc_now", lambda: NOW)
    return shell


def test_json_has_everything_under_fixed_keys(earned: Shell) -> None:
    """P6, P10: realized, unrealized, gross, commission, net, the figures of trades, and every breakdown."""
    (sim,) = earned("stats", "--mode", "SIM", "--json").json
    breakdowns = {name: sim.pop(name) for name in [*sim] if name.startswith("by_")}
    assert sim == {
        "mode": "SIM",
        "unit": "money",
        "currency": "USD",
        "symbol": None,
        "book": "flat",
        "since": None,
        "until": None,
        "trading_day": "17:00 America/Chicago",
        "realized_points": Decimal("2.25"),
        "realized_pnl": Decimal("11.25"),
        "gross_pnl": Decimal("11.25"),
        "commission": Decimal("1.24"),
        "net_pnl": Decimal("10.01"),
        "exits": 1,
        "trades": 1,
        "wins": 1,
        "losses": 0,
        "hit_rate": 1,
        "exits_unknown": 0,
        "commission_unknown": 0,
        "unrealized_points": 9,
        "unrealized_pnl": 45,
        "open_positions": 1,
        "positions_unmarked": 0,
        "mark_time": "2026-11-20T15:59:57.000000Z",
        "mark_age_s": 3,
        "total_pnl": Decimal("55.01"),
        "scratches": 0,
        "profit_factor": None,
        "expectancy": Decimal("10.01"),
        "average_win": Decimal("10.01"),
        "average_loss": None,
        "best": Decimal("10.01"),
        "worst": Decimal("10.01"),
        "average_time_s": 60,
        "longest_win_streak": 1,
        "longest_loss_streak": 0,
        "current_streak": 1,
        "max_drawdown": 0,
        "max_runup": Decimal("10.01"),
        "average_r": None,
        "trades_with_r": 0,
        "average_mae": 0,
        "average_mfe": Decimal("11.25"),
        "average_efficiency": Decimal("0.8897777778"),
        "trades_unknown": 0,
        "flags": [],
        "warnings": [],
    }
    assert {name: [row[name[3:]] for row in rows] for name, rows in breakdowns.items()} == {
        "by_day": ["2026-11-20"],
        "by_week": ["2026-W47"],
        "by_month": ["2026-11"],
        "by_symbol": [MES],
        "by_account": ["Sim1"],
    }
    for by in ("day", "week", "month"):
        assert [*breakdowns[f"by_{by}"][0]] == [by, *SLICE_KEYS, "equity"]
    for by in ("symbol", "account"):
        assert [*breakdowns[f"by_{by}"][0]] == [by, *SLICE_KEYS, *OPEN_KEYS]
        assert breakdowns[f"by_{by}"][0]["unrealized_pnl"] == 45


def test_modes_are_apart_and_all_adds_a_total(earned: Shell) -> None:
    """M2: without a mode, one block each and no sum; with ALL a total at the end, by unit."""
    found = [(row["mode"], row["symbol"]) for row in earned("stats", "--json").json]
    assert found == [("LIVE", None), ("LIVE", MNQ), ("SIM", None)]
    rows = earned("stats", "--mode", "ALL", "--json").json
    assert [(row["mode"], row["symbol"]) for row in rows[3:]] == [("ALL", None), ("ALL", MNQ)]
    assert (rows[0]["unrealized_pnl"], rows[2]["unrealized_pnl"], rows[3]["unrealized_pnl"]) == (
        Decimal("22.5"),
        45,
        67.5,
    )


def test_the_view_is_the_default_mode(earned: Shell) -> None:
    """M1: the view chosen with switch narrows the figures; a misspelt mode is a usage error."""
    earned("switch", "SIM")
    assert [row["mode"] for row in earned("stats", "--json").json] == ["SIM"]
    assert "'LVE'" in earned("stats", "--mode", "LVE", code=2).err


def test_what_is_missing_is_said(earned: Shell) -> None:
    """P4, N13: points where money is unknown, exits without a price, positions without a mark: flags, words, stderr."""
    with earned.writer as writer, writer.transaction():
        record(writer, LIVE_MNQ, [fill(LIVE_MNQ, "+1 @ 18200", minute=10), fill(LIVE_MNQ, "-1", minute=11)])
        record(writer, SIM_MES, [fill(SIM_MES, "+1 @ 5050", minute=12), fill(SIM_MES, "-1 @ 5051", minute=13)])
    ran = earned("stats", "--json")
    _, points, sim = ran.json
    assert points["unit"] == "points"
    assert points["flags"] == ["point_value_unknown", "pnl_unknown", "mark_unknown"]
    assert (points["trades"], points["trades_unknown"], points["exits_unknown"], points["net_pnl"]) == (0, 1, 1, None)
    assert (sim["flags"], sim["commission"], sim["net_pnl"]) == (
        ["commission_unknown"],
        Decimal("1.24"),
        Decimal("15.01"),
    )
    assert "dtcpos: LIVE: 1 trade whose profit nobody knows left out of every total\n" in ran.err
    text = earned("stats").out
    assert "note: no commission is known for 1 of 2 exits; there net equals gross" in text
    assert f"instruments set {MNQ} --point-value V" in text


def test_a_position_without_a_mark_is_flagged(earned: Shell) -> None:
    """P10: unrealized of what has a mark, the rest counted."""
    key = PositionKey("SIM", "Sim1", "6EZ26-CME")
    with earned.writer as writer, writer.transaction():
        writer.put_instrument(evolve(writer.instruments()[MES], symbol=key.symbol))
        record(writer, key, [fill(key, "+1 @ 1.08", minute=9)])
    (sim,) = earned("stats", "--mode", "SIM", "--json").json
    assert (sim["unrealized_pnl"], sim["open_positions"], sim["positions_unmarked"]) == (45, 2, 1)
    assert sim["flags"] == ["mark_unknown"]
    assert [row["unrealized_pnl"] for row in sim["by_symbol"]] == [None, 45]


def test_a_time_that_is_over_has_nothing_open(earned: Shell) -> None:
    """P10: what is open now is nothing of yesterday; of today it is."""
    (sim,) = earned("stats", "--mode", "SIM", "--since", "yesterday", "--until", "yesterday", "--json").json
    assert (sim["unrealized_pnl"], sim["total_pnl"], sim["open_positions"], sim["trades"]) == (None, None, None, 0)
    (sim,) = earned("stats", "--mode", "SIM", "--since", "today", "--until", "today", "--json").json
    assert (sim["net_pnl"], sim["unrealized_pnl"]) == (Decimal("10.01"), 45)
    assert sim["since"] == "2026-11-19T23:00:00.000000Z"


def test_pairing(earned: Shell) -> None:
    """P13: --book first in first out: other realized and unrealized, the same sum."""
    with earned.writer as writer, writer.transaction():
        position = writer.positions()[SIM_MES]
        fills = writer.fills_of_key("Sim1", MES)
        writer.remove_position(SIM_MES)
        assert position.signed_quantity == 2
        last = [fill(SIM_MES, "+1 @ 5060", minute=20), fill(SIM_MES, "-1 @ 5061", minute=21)]
        first_id = writer.next_fill_id()
        numbered = [item._replace(id=first_id + place) for place, item in enumerate(last)]
        writer.add_fills(numbered)
        from dtcpos.booking import replay

        writer.put_position(replay(SIM_MES, [*fills, *numbered]).position)
    totals = set()
    for book, realized in (
        ("flat", 5 * 7 + Decimal("11.25")),
        ("fifo", 50 + Decimal("11.25")),
        ("lifo", Decimal("16.25")),
    ):
        (sim,) = earned("stats", "--mode", "SIM", "--book", book, "--json").json
        assert sim["realized_pnl"] == realized
        totals.add(sim["realized_pnl"] + sim["unrealized_pnl"])
    assert len(totals) == 1
    assert earned("stats", "--book", "hifo", code=2).out == ""


def test_the_text_fits_80_columns(earned: Shell) -> None:
    """A block for each mode, then a table; nothing but text without a terminal."""
    out = earned("stats", "--by", "symbol").out
    assert max(len(line) for line in out.splitlines() if not line.startswith("note:")) <= 80
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0] == "LIVE  USD"
    assert "net            +10.01   profit factor  -" in lines
    assert "unrealized is of 1 open position, at marks up to 3s old" in lines
    assert f"{MES}  +10.01      +45.00       1    100.0%    +11.25        1.24" in lines
    assert not set(out) & set("▁█░\x1b")


def test_nothing_to_add_up(earned: Shell) -> None:
    """An empty answer says so."""
    assert earned("stats", "--account", "nobody").out == "nothing was traded\n"
    assert earned("stats", "--account", "nobody", "--json").out == "[]\n"


class Terminal(StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_sparkline_and_bars(earned: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where people would rather look than read: the equity of the days, and a bar for each."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with earned.writer as writer, writer.transaction():
        late = [fill(SIM_MES, "+1 @ 5050", minute=30), fill(SIM_MES, "-1 @ 5047.75", minute=31)]
        record(writer, SIM_MES, [item._replace(time=item.time + timedelta(days=1)) for item in late])
    with ExitReader.open(earned.path) as reader:
        (block,) = performance(reader, Selection(modes=("SIM",)), trading_day=TradingDay())
    out = Terminal()
    print_block(block, "day", NOW, out)
    text = out.getvalue()
    assert "equity         █▁\n" in text
    assert [line[-20:] for line in text.splitlines() if line.startswith("2026")][1] == "░" * 20
    ascii_only = Terminal()
    ascii_only.encoding = "ascii"
    print_block(block, "day", NOW, ascii_only)
    assert ascii_only.getvalue().isascii()


def test_sparklines_and_bars() -> None:
    """Lowest to highest, the last value of each step; a bar never vanishes while its value is not zero."""
    assert sparkline([Decimal(value) for value in (0, 7, 3)]) == "▁█▄"
    assert sparkline([Decimal(5)] * 3) == "▁▁▁"
    assert sparkline([Decimal(value) for value in range(100)], width=5) == "▁▃▅▆█"
    assert bar(Decimal(50), Decimal(100), width=10) == "█████"
    assert bar(Decimal("-0.01"), Decimal(100)) == "░"
    assert bar(Decimal(0), Decimal(100)) == ""


def test_three_time_zones_of_the_process_give_the_same(earned: Shell, tmp_path: Path) -> None:
    """P10: the zone of the machine changes no day and no amount."""
    answers = set()
    for zone in ("UTC", "Asia/Tokyo", "America/Los_Angeles"):
        ran = subprocess.run(
            [sys.executable, "-m", "dtcpos", "stats", "--mode", "SIM", "--until", "2026-11-20", "--json"],
            cwd=ROOT,
            env={**os.environ, "TZ": zone, "DTCPOS_DB": str(earned.path)},
            capture_output=True,
            check=True,
            timeout=60,
        )
        answers.add(ran.stdout)
    assert len(answers) == 1
    (found,) = json.loads(answers.pop(), parse_float=Decimal)
    assert found["by_day"][0]["day"] == "2026-11-20"
