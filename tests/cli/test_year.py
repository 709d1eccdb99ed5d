"""A year of trading through the real commands: a log, a server's history, live fills, exports, and back again."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from dtcpos.model import Source
from dtcpos.sim import SimulatedServer, parse_dialogue
from dtcpos.store import PositionRepository
from tests.cli.conftest import Shell
from tests.crash.commands import ended, started, until
from tests.importers.writing import log
from tests.importers.writing import told as row_of
from tests.importers.year import Traded, as_history, as_log, expected_trades, told, year

SETTINGS = '[instruments.COINPERP]\npoint_value = 1\ncurrency = "USD"\n[instruments.MES]\ncommission = 0.62\n'
# What a ledger counts, what was seen on the market beside the fills, and where a definition came from.
BESIDE = ("id", "mae", "mfe", "efficiency", "trade_min_price", "trade_max_price", "opened_by", "closed_by")
LIVE = 12


def settings(folder: Path) -> Path:
    path = folder / "year.toml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def rows_of(shell: Shell, *words: str) -> list[dict[str, Any]]:
    found = shell("export", *words, "--format", "json").json
    return [{key: value for key, value in row.items() if key not in BESIDE} for row in found]


def the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, per_day: int, days: int) -> None:
    traded = year(per_day, days=days)
    past, live = traded[:-LIVE], traded[-LIVE:]
    monkeypatch.setenv("DTCPOS_CONFIG", str(settings(tmp_path)))
    shell = Shell(tmp_path / "year.db")
    path = as_log(tmp_path / "SavedLog.txt", past)
    words = ("--timezone", "America/Chicago", "--scale", "MNQ=0.01", "--json")
    # What the log states of positions is what the year comes to.
    assert booked(shell("import", str(path), *words).json) == (len(past), 0, 0, [])
    check_server(shell, past, live)
    # The live ones are in a later log too; all of it is known by now.
    path = as_log(tmp_path / "SavedLog.txt", traded)
    assert booked(shell("import", str(path), *words).json) == (0, len(traded), 0, [])
    check_trades(shell, traded)
    assert shell("verify").out == "ok\n"
    check_exports(shell, tmp_path)


def booked(report: dict[str, Any]) -> tuple[Any, ...]:
    return report["new"], report["seen_before"], report["superseded"], report["differences"]


def check_server(shell: Shell, past: list[Traded], live: list[Traded]) -> None:
    """The server tells what the log told, and then something new."""
    script = "\n".join([*(f"fill {told(each)}" for each in live), 'say "told"', ""])
    text = f"{as_history(past)}--\n{script}"
    with SimulatedServer(parse_dialogue(text, name="year")) as server:
        words = ("connect", server.address, "--db", str(shell.path), "--history-days", "5000", "--json")
        child = started(*words)
        try:
            synced, has_told = None, False
            assert child.stdout is not None
            # A server's script may begin while a long history is still being booked.
            while synced is None or not has_told:
                update = json.loads(child.stdout.readline())
                has_told = has_told or update.get("text") == "told"
                synced = update if update["event"] == "synced" else synced
        finally:
            ended(child)
        assert (synced["backfilled"], synced["breaks"]) == (0, 0)
        once = shell(*words, "--once")
    last = [json.loads(line) for line in once.out.splitlines()][-1]
    assert last["event"] in ("synced", "session")
    assert len(shell("export", "fills").out.splitlines()) == 1 + len(past) + len(live)


def check_trades(shell: Shell, traded: list[Traded]) -> None:
    """P1, P2: every trade has the times, the points and the number of fills that another way of counting finds."""
    wanted = sorted(
        (each.account, each.symbol, iso(each.entry_time), iso(each.exit_time), each.points, each.fills)
        for each in expected_trades(traded)
    )
    names = ("account", "symbol", "entry_time", "exit_time", "realized_points", "fills")
    assert sorted(tuple(row[name] for name in names) for row in rows_of(shell, "trades")) == wanted


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def check_exports(shell: Shell, folder: Path) -> None:
    """Imported into an empty ledger it is the same trades in every form, and the same journals letter for letter."""
    wanted = {what: rows_of(shell, what) for what in ("trades", "positions")}
    lots = {book: rows_of(shell, "trades", "--book", book) for book in ("fifo", "lifo", "average")}
    journals = {form: shell("export", "fills", "--format", form).out for form in ("tradervue", "tradenote")}
    text = shell("export", "trades").out
    assert len(list(csv.reader(io.StringIO(text)))) == 1 + len(wanted["trades"])
    for form in ("csv", "json", "jsonl"):
        path = folder / f"fills.{form}"
        shell("export", "fills", "--format", form, "--output", str(path))
        again = Shell(folder / f"again-{form}.db")
        assert booked(again("import", str(path), "--json").json)[1:] == (0, 0, [])
        assert rows_of(again, "trades") == wanted["trades"]
        assert [held(row) for row in rows_of(again, "positions")] == [held(row) for row in wanted["positions"]]
    assert {form: again("export", "fills", "--format", form).out for form in journals} == journals
    assert {book: rows_of(again, "trades", "--book", book) for book in lots} == lots
    check_pairings(shell, wanted, lots)


def held(row: dict[str, Any]) -> list[Any]:
    names = ("mode", "account", "symbol", "quantity", "cost", "entry_price", "entry_time", "realized_points")
    return [row[name] for name in names]


def check_pairings(
    shell: Shell, wanted: dict[str, list[dict[str, Any]]], lots: dict[str, list[dict[str, Any]]]
) -> None:
    """P13: however fills are paired, what was earned when flat is the same."""
    still_open = {(row["account"], row["symbol"]) for row in wanted["positions"]}

    def totals(rows: list[dict[str, Any]]) -> dict[tuple[str, str], Decimal]:
        found: dict[tuple[str, str], Decimal] = {}
        for row in rows:
            key = (row["account"], row["symbol"])
            if key not in still_open:
                found[key] = found.get(key, Decimal(0)) + row["realized_points"]
        return found

    flat = totals(wanted["trades"])
    assert flat
    assert {book: totals(rows) for book, rows in lots.items()} == dict.fromkeys(lots, flat)


def test_some_days_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """N4, P1, P3, P5, P13, U7: a year of 250 days, told by a log, by history and live, exported and imported again."""
    the_whole_way(tmp_path, monkeypatch, 4, 250)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_year_of_ten_thousand_fills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """N4, P1, P3, P5, P13, U7: 250 days of 40 fills the same whole way."""
    the_whole_way(tmp_path, monkeypatch, 40, 250)


FILLS = ("+2 @ 5050.25", "+1 @ 5050.50", "-3 @ 5052")
# History is asked from a day before the last comparison on, so what is told live must not be older.
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


def by_history(shell: Shell, folder: Path) -> None:
    with SimulatedServer(parse_dialogue(_dialogue("history", ""), name="history")) as server:
        shell("connect", server.address, "--once", "--history-days", "5000", "--config", "")


def by_live(shell: Shell, folder: Path) -> None:
    with SimulatedServer(parse_dialogue(_dialogue("", "fill"), name="live")) as server:
        child = started("connect", server.address, "--db", shell.path, "--config", "", "--json")
        try:
            until(child, event="alert", text="told")
        finally:
            ended(child)


def by_log(shell: Shell, folder: Path) -> None:
    rows = [
        row_of(text, at_time=_at(number), FillExecutionServiceID=f"E-{number}", ServiceOrderID=f"10{number}")
        for number, text in enumerate(FILLS)
    ]
    shell("import", str(log(folder, *rows)), "--config", "")


def _at(number: int) -> datetime:
    return BEGAN + timedelta(minutes=number)


def _dialogue(before: str, after: str) -> str:
    lines = []
    for number, text in enumerate(FILLS):
        quantity, _, price = text.partition(" @ ")
        side = "BUY" if quantity[0] == "+" else "SELL"
        names = f"id E-{number} order 10{number} at {_at(number).isoformat()[:19]}Z"
        lines.append(f"Sim1 {side} {quantity[1:]} MESZ26-CME @ {price} {names}")
    head = "account Sim1\nsymbol MESZ26-CME tick 0.25 value 1.25\n"
    past = "".join(f"{before} {line}\n" for line in lines if before)
    script = "".join(f"{after} {line}\n" for line in lines if after)
    return f'{head}{past}--\n{script}say "told"\n'


SOURCES = {Source.BACKFILL: by_history, Source.LIVE: by_live, Source.IMPORT: by_log}


@pytest.mark.parametrize("order", list(permutations(SOURCES)), ids=" ".join)
def test_three_sources_in_every_order(tmp_path: Path, order: tuple[Source, ...]) -> None:
    """N4: an execution through 301, 304 and a log, whichever came first, is one fill with three sightings."""
    shell = Shell(tmp_path / "ledger.db")
    for number, source in enumerate(order, start=1):
        SOURCES[source](shell, tmp_path)
        fills = shell("export", "fills", "--format", "json", "--config", "").json
        assert [row["execution_id"] for row in fills] == ["E-0", "E-1", "E-2"]
        with PositionRepository.open(shell.path) as ledger:
            seen = ledger.sightings_of([int(row["id"]) for row in fills])
        assert [{each.source for each in seen[int(row["id"])]} for row in fills] == [set(order[:number])] * 3
    (trade,) = shell("export", "trades", "--format", "json", "--config", "").json
    assert (trade["realized_points"], trade["fills"]) == (5, 3)
    assert shell("verify").out == "ok\n"
