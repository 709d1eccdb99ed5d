"""Fills that dtcpos exported, imported again: the same positions and trades, once, or a refusal that says where."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.cli.keys import FILL_KEYS
from dtcpos.importers.fills import OPTIONAL, REQUIRED
from dtcpos.model import Instrument, Source
from dtcpos.store import PositionRepository
from tests.cli.conftest import LIVE_MES, MES, NOW, SIM_MES, Shell, fill
from tests.importers.writing import log, told

Asker = Callable[..., list[dict[str, object]]]
# What depends on when something was booked, or on prices that were seen and are in no fill.
_BESIDE = ("id", "booked_at", "source", "mae", "mfe", "efficiency", "trade_min_price", "trade_max_price")


@pytest.fixture
def fresh(shell: Shell, tmp_path: Path) -> Shell:
    """A shell whose ledger does not exist yet."""
    return Shell(tmp_path / "new.db")


def exported(shell: Shell, path: Path, form: str = "csv", what: str = "fills", *words: str) -> Path:
    shell("export", what, "--format", form, "--output", str(path), *words)
    return path


def trades_of(shell: Shell) -> list[dict[str, object]]:
    found = shell("export", "trades", "--format", "json").json
    return [{key: value for key, value in row.items() if key not in _BESIDE} for row in found]


def held_by(shell: Shell) -> list[tuple[object, ...]]:
    found = shell("export", "positions", "--format", "json").json
    names = ("mode", "account", "symbol", "quantity", "cost", "entry_price", "entry_time", "flags")
    return sorted(tuple(map(str, (row[name] for name in names))) for row in found)


def test_every_key_of_a_fill_is_read() -> None:
    """A key added to the export and not to its reader would be refused as unknown."""
    assert (*REQUIRED, *OPTIONAL) == (*FILL_KEYS, "supersedes")


@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_an_export_makes_the_same_ledger(shell: Shell, fresh: Shell, tmp_path: Path, form: str) -> None:
    """U7: positions, trades and their money come out the same, and a second import changes nothing."""
    path = exported(shell, tmp_path / "fills", form)
    assert "5 rows, 5 fills: 5 new, 0 seen before, 0 superseded; 0 differences" in fresh("import", str(path)).out
    assert held_by(fresh) == held_by(shell)
    # MNQ is worth nothing in one ledger and what the shipped table says in the other.
    assert trades_of(fresh) == [row | {"currency": "USD"} for row in trades_of(shell)]
    assert fresh("verify").out == "ok\n"
    with fresh.writer as writer:
        before = writer.content_hash()
    assert "0 new, 5 seen before" in fresh("import", str(path)).out
    with fresh.writer as writer:
        assert writer.content_hash() == before
    assert exported(fresh, tmp_path / "again", form).read_text().count("IMPORT") == 5


def test_the_ledger_that_wrote_it_is_not_changed(shell: Shell, tmp_path: Path) -> None:
    """N4: its own executions are recognised by their ids."""
    ran = shell("import", str(exported(shell, tmp_path / "fills.csv")), "--json").json
    assert (ran["new"], ran["seen_before"], ran["superseded"], ran["differences"]) == (0, 5, 0, [])
    assert ran["files"][0]["kind"] == "fills of dtcpos"


def test_corrections_survive(shell: Shell, fresh: Shell, tmp_path: Path) -> None:
    """N8: of a corrected ledger what stands is exported, with its reason; a void execution stays out."""
    plain = exported(shell, tmp_path / "before.csv")
    shell("fix", "void", "2", "--reason", "bust")
    shell("fix", "replace", "4", "--price", "5061", "--reason", "as the broker says")
    shell("fix", "add", "Sim1", MES, "BUY", "1", "5049", "--time", "2026-11-20T14:30:00Z", "--reason", "by phone")
    corrected = exported(shell, tmp_path / "after.csv")
    fresh("import", str(corrected))
    assert (held_by(fresh), trades_of(fresh)) == (held_by(shell), trades_of(shell))
    fills = fresh("export", "fills", "--format", "json").json
    reasons = {(row["source"], row["reason"]) for row in fills if row["source"] == "MANUAL"}
    assert reasons == {("MANUAL", "as the broker says"), ("MANUAL", "by phone")}
    assert "1 rows" in fresh("import", str(exported(shell, tmp_path / "r.csv", "csv", "fills", "--restated"))).out
    # Onto the ledger as it was before, the corrected price supersedes; going back changes nothing.
    other = Shell(tmp_path / "other.db")
    other("import", str(plain))
    assert "1 new, 3 seen before, 1 superseded" in other("import", str(corrected)).out
    assert "0 new, 5 seen before, 0 superseded" in other("import", str(plain)).out
    assert [row["entry_price"] for row in other("positions", "--symbol", MES, "--mode", "LIVE", "--json").json] == [
        5061
    ]


def test_adjustments_and_what_nobody_knows_survive(shell: Shell, fresh: Shell, tmp_path: Path) -> None:
    """N9, N13: carried lots keep their flag, an exit without a price stays unknown, each with its reason."""
    from dtcpos.keeping.posting import Posting

    with shell.writer as writer, writer.transaction():
        carried = fill(LIVE_MES, "-1 @ 5070", minute=0, flags=("carried",), source=Source.ADJUSTMENT, reason="held")
        Posting(writer).post_entry(carried, now=NOW)
    shell("close", "120005", MES, "--no-price", "--time", "2026-11-20T15:00:00Z", "--reason", "closed by phone")
    fresh("import", str(exported(shell, tmp_path / "fills.json", "json")))
    assert (held_by(fresh), trades_of(fresh)) == (held_by(shell), trades_of(shell))
    (trade,) = [row for row in trades_of(fresh) if row["mode"] == "LIVE"]
    assert trade["realized_pnl"] is None
    assert {"carried", "exit_unknown"} <= set(trade["flags"])  # type: ignore[call-overload]
    rows = fresh("export", "fills", "--format", "json").json
    assert [row["reason"] for row in rows if row["source"] == "ADJUSTMENT"] == ["held", "closed by phone"]
    assert "0 new, 7 seen before" in fresh("import", str(tmp_path / "fills.json")).out


def test_scaled_prices_stay_what_they_are(shell: Shell, fresh: Shell, tmp_path: Path) -> None:
    """P5: the factor between wire and display is taken from the file, or the price converted to the ledger's own."""
    with shell.writer as writer, writer.transaction():
        scaled = Instrument(symbol=MES, multiplier=Decimal("0.01"), multiplier_source="server", point_value=Decimal(5))
        writer.put_instrument(scaled)
    shell("rebuild")
    path = exported(shell, tmp_path / "fills.csv")
    assert f"{MES}: display prices are 0.01 times those of the wire" in fresh("import", str(path)).out
    names = ("entry_price", "exit_price", "realized_points", "realized_pnl")
    told_of = [[row[name] for name in names] for row in trades_of(shell)]
    assert [[row[name] for name in names] for row in trades_of(fresh)] == told_of
    unscaled = Shell(tmp_path / "unscaled.db")
    with PositionRepository.open(unscaled.path) as writer, writer.transaction():
        writer.put_instrument(Instrument(symbol=MES, multiplier_source="server", point_value=Decimal(5)))
    unscaled("import", str(path))
    assert [[row[name] for name in names] for row in trades_of(unscaled)] == told_of


def test_accounts_keep_their_modes(shell: Shell, fresh: Shell, tmp_path: Path) -> None:
    """M2: a mode a person gave comes along; where the ledger says otherwise its own stays and that is said."""
    shell("accounts", "set", "120005", "SIM")
    path = exported(shell, tmp_path / "fills.csv")
    assert "account 120005 is SIM (stated by fills.csv)" in fresh("import", str(path)).out
    assert {row["mode"] for row in fresh("accounts", "--json").json} == {"SIM"}
    fresh("accounts", "set", "120005", "LIVE")
    ran = fresh("import", str(path), code=6)
    assert "account 120005 is SIM in the file and LIVE here" in ran.out


def test_a_part_of_an_export_says_what_is_missing(fresh: Shell, tmp_path: Path) -> None:
    """U7: the first fill of a key states what was held before it; without that something is missing."""
    whole = Shell(tmp_path / "whole.db")
    rows = [told("+1 @ 5050.25", PositionQuantity=1), told("+1 @ 5051", 86_400, PositionQuantity=2)]
    whole("import", str(log(tmp_path, *rows)))
    path = exported(whole, tmp_path / "part.csv", "csv", "fills", "--since", "2026-11-21T00:00:00Z")
    assert "1 lot bought missing before" in fresh("import", str(path), code=6).out
    path = exported(whole, tmp_path / "all.csv")
    assert "1 new, 1 seen before" in fresh("import", str(path)).out


def test_two_alike_without_ids_stay_two(fresh: Shell, tmp_path: Path) -> None:
    """N5: equal executions of one second, and an adjustment that looks like one of them, are three."""
    whole = Shell(tmp_path / "whole.db")
    row = told("+1 @ 5050.25", ServiceOrderID="", InternalOrderID="0")
    whole("import", str(log(tmp_path, row, row)))
    words = ("fix", "add", "Sim1", "MESZ26-CME", "BUY", "1", "5050.25", "--time", row["DateTime"].replace("  ", "T"))
    whole(*words, "--reason", "phone")
    path = exported(whole, tmp_path / "fills.csv")
    for target in (fresh, fresh, whole):
        target("import", str(path))
        assert [row["quantity"] for row in target("positions", "--json").json] == [3]


HEAD = ",".join(REQUIRED)
GOOD = "1,SIM,Sim1,MESZ26-CME,BUY,1,5050.25,2026-11-20T14:30:00.250000Z,E-1,1001,LIVE,,,,5050.25,,"


def changed(name: str, value: str) -> str:
    cells = GOOD.split(",")
    cells[REQUIRED.index(name)] = value
    return ",".join(cells)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{HEAD.replace('wire_price', 'wire')}\n{GOOD}\n", "line 1: wire_price missing; write it again with"),
        (f"{HEAD},colour\n{GOOD},red\n", "line 1: 'colour' unknown; "),
        (f"{HEAD},id\n{GOOD},1\n", "line 1: a column is there twice; "),
        (f"{HEAD}\n{GOOD}\n{GOOD},1\n", "line 3: 18 cells under 17 headings; "),
        (f"{HEAD}\n{changed('quantity', '0')}\n", "line 2: quantity '0' cannot be meant; a number greater than zero"),
        (f"{HEAD}\n{changed('quantity', '1e3')}\n", "line 2: quantity '1e3' cannot be meant; a plain number"),
        (f"{HEAD}\n{changed('side', 'HOLD')}\n", "line 2: side 'HOLD' cannot be meant; BUY, SELL is needed"),
        (f"{HEAD}\n{changed('source', 'RUMOUR')}\n", "line 2: source 'RUMOUR' cannot be meant; LIVE, BACKFILL"),
        (f"{HEAD}\n{changed('time', '2026-11-20 14:30:00')}\n", "line 2: time '2026-11-20 14:30:00' cannot be meant"),
        (f"{HEAD}\n{changed('time', '')}\n", "line 2: time is empty; "),
        (f"{HEAD}\n{changed('account', '')}\n", "line 2: account is empty; "),
        (f"{HEAD}\n{changed('mode', 'ALL')}\n", "line 2: mode 'ALL' is none; "),
        (f"{HEAD}\n{changed('flags', 'a;b')}\n", "line 2: flags 'a;b' cannot be meant; "),
        (f"{HEAD}\n{changed('wire_price', '')}\n", "line 2: price and wire_price do not belong together; "),
        (f"{HEAD}\n{GOOD}\n{changed('price', '50.5')}\n", "line 3: price 50.5 is not wire_price 5050.25 times one"),
        (f"{HEAD}\n{GOOD}\n{changed('mode', 'LIVE')}\n", "line 3: account 'Sim1' is SIM above and LIVE here; "),
        (f'{HEAD}\n{GOOD}\n"unclosed\n', "line 2: unexpected end of data; "),
        (f"{HEAD}\n{GOOD}", "line 2: the last line does not end: the file was cut; "),
        (HEAD.replace(",", ";"), "line 1: id, mode, account, "),
    ],
)
def test_what_cannot_be_meant_is_refused(fresh: Shell, tmp_path: Path, text: str, words: str) -> None:
    """U4: the place, the value and the remedy in one line; nothing of the file is imported."""
    path = tmp_path / "fills.csv"
    path.write_text(text, encoding="utf-8")
    ran = fresh("import", str(path), code=2)
    assert f"{path}, {words}" in ran.err
    assert ran.err.count("\n") == 1
    assert not fresh.path.exists()


def test_json_that_was_cut_or_is_something_else_is_refused(shell: Shell, fresh: Shell, tmp_path: Path) -> None:
    """U4: whole or not at all, also where every object that is there is whole."""
    text = exported(shell, tmp_path / "fills.json", "json").read_text(encoding="utf-8")
    path = tmp_path / "cut.json"
    for cut, words in (
        (text.removesuffix("]\n"), "the array does not end"),
        (text[: len(text) * 2 // 3], "is no JSON"),
        (text.replace("\n]", ",\n7]"), "fill 6 is no object"),
        (text.replace('"side"', '"sides"', 1), "fill 1: side missing"),
    ):
        path.write_text(cut, encoding="utf-8")
        assert words in fresh("import", str(path), code=2).err
    # Another program may write it on one line, or on many.
    for again in (json.dumps(json.loads(text)), json.dumps(json.loads(text), indent=2)):
        path.write_text(again, encoding="utf-8")
        assert "5 rows, 5 fills" in fresh("import", str(path)).out


def test_what_is_no_plain_file_is_refused(shell: Shell, fresh: Shell, tmp_path: Path) -> None:
    """U4: a pipe, which would be waited for without end, and UTF-16, as `>` of a PowerShell writes it, are named."""
    pipe, wide = tmp_path / "pipe.csv", tmp_path / "wide.csv"
    os.mkfifo(pipe)
    assert f"{pipe} is no file; save what it gives to a file" in fresh("import", str(pipe), code=2).err
    wide.write_text(exported(shell, tmp_path / "fills.csv").read_text(encoding="utf-8"), encoding="utf-16")
    assert f"{wide} is UTF-16; save it as UTF-8" in fresh("import", str(wide), code=2).err


@pytest.mark.parametrize("folder", ["new", "own"])
def test_corrected_executions_without_an_id_stay_one(shell: Shell, fresh: Shell, tmp_path: Path, folder: str) -> None:
    """N4, N8: a person's correction of an execution nobody named is that execution, also where it came from."""
    from dtcpos.keeping.posting import Posting

    nameless = fill(SIM_MES, "+2 @ 5052", minute=6)._replace(execution_id="")
    with shell.writer as writer, writer.transaction():
        Posting(writer).post_live([nameless], now=NOW)
    number = shell("export", "fills", "--format", "json").json[-1]["id"]
    shell("fix", "replace", str(number), "--price", "5053", "--reason", "as the broker says")
    held, trades = held_by(shell), trades_of(shell)
    path = exported(shell, tmp_path / "fills.csv")
    target = fresh if folder == "new" else shell
    for _ in range(2):
        target("import", str(path))
        assert (held_by(target), trades_of(target)) == (held, trades)
    assert "0 new, 6 seen before" in target("import", str(path)).out


def test_executions_without_ids_keep_their_order(shell: Shell, fresh: Shell, tmp_path: Path) -> None:
    """U7, N10: of one instant, the ids an import makes up do not decide which was first."""
    from dtcpos.keeping.posting import Posting

    # Long 2 before: what is sold first takes the average of the lots there were, what is bought first moves it.
    alike = [
        fill(SIM_MES, text, minute=6)._replace(execution_id="", order_id=f"{order}", cumulative_quantity=Decimal(1))
        for order, text in enumerate(["+1 @ 5060", "-1 @ 5070", "+1 @ 5080", "-2 @ 5061", "+1 @ 5011", "-1 @ 5012"])
    ]
    with shell.writer as writer, writer.transaction():
        Posting(writer).post_live(alike, now=NOW)
    fresh("import", str(exported(shell, tmp_path / "fills.csv")))
    assert held_by(fresh) == held_by(shell)
    named = "entry_price", "exit_price", "realized_points", "side"
    assert [[row[name] for name in named] for row in trades_of(fresh)] == [
        [row[name] for name in named] for row in trades_of(shell)
    ]


def test_an_export_of_nothing_is_no_fault(fresh: Shell, tmp_path: Path) -> None:
    """U4: the header alone, and an array of nothing fills no ledger and says so."""
    path = tmp_path / "fills.csv"
    path.write_text(HEAD + "\r\n", encoding="utf-8")
    assert "0 rows, 0 fills" in fresh("import", str(path)).out


def test_an_interrupted_order_is_recognised_by_the_server_s_history(fresh: Shell, shell: Shell, tmp_path: Path) -> None:
    """N4, N6: a history that tells an imported execution under another id adds a sighting and no fill."""
    from dtcpos.keeping.posting import Posting

    fresh("import", str(exported(shell, tmp_path / "fills.csv")))
    past = fill(SIM_MES, "+2 @ 5051", minute=3)._replace(
        execution_id="H-1", source=Source.BACKFILL, time_is_exact=False
    )
    with fresh.writer as writer, writer.transaction():
        Posting(writer).post_history("Sim1", [past], now=NOW)
        sightings = [each.source for each in writer.sightings_of([3])[3]]
    assert sorted(sightings) == [Source.BACKFILL, Source.IMPORT]
    assert len(fresh("export", "fills", "--format", "json").json) == 5


def test_an_export_says_what_later_sightings_know_better(shell: Shell) -> None:
    """N4: history states the position after a live execution, and a live one the moment of a historical one."""
    from datetime import UTC, datetime

    from dtcpos.keeping.posting import Posting

    # SIM_MES bought 2 as history told it, and closed a trade that came live before.
    exact = datetime(2026, 11, 20, 14, 3, 1, 987_000, tzinfo=UTC)
    live = fill(SIM_MES, "+2 @ 5051", minute=3)._replace(source=Source.LIVE, time=exact)
    past = fill(SIM_MES, "-1 @ 5052.5", minute=2)._replace(source=Source.BACKFILL, position_after=Decimal(0), place=0)
    with shell.writer as writer, writer.transaction():
        posting = Posting(writer)
        posting.post_live([live], now=NOW)
        posting.post_history("Sim1", [past], now=NOW)
    rows = shell("export", "fills", "--account", "Sim1", "--format", "json").json
    assert (rows[1]["position_after"], rows[1]["place"], rows[1]["source"]) == (0, 0, "LIVE")
    # Both times are exact, and the live feed's word counts first.
    assert rows[2]["time"] == "2026-11-20T14:03:01.987000Z"
