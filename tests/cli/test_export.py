"""`dtcpos export`."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

import dtcpos.cli.exports
from dtcpos.cli.keys import FILL_KEYS, JOURNAL_KEYS, POSITION_KEYS, TRADE_KEYS
from dtcpos.model import Instrument, PositionKey
from tests.cli.conftest import MES, SIM_MES, Shell, fill, record

KEYS = {"trades": TRADE_KEYS, "fills": FILL_KEYS, "positions": POSITION_KEYS, "journal": JOURNAL_KEYS}


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_trade_in_full(shell: Shell) -> None:
    """P6: gross, commission and net are all there; P8: efficiency is net over MFE; exact."""
    (found,) = shell("export", "trades", "--format", "json").json
    assert found == {
        "id": 1,
        "mode": "SIM",
        "account": "Sim1",
        "symbol": MES,
        "side": "LONG",
        "quantity": 1,
        "total_quantity": 1,
        "entry_time": "2026-11-20T14:01:01.250000Z",
        "entry_price": Decimal("5050.25"),
        "exit_time": "2026-11-20T14:02:01.250000Z",
        "exit_price": Decimal("5052.5"),
        "realized_points": Decimal("2.25"),
        "realized_pnl": Decimal("11.25"),
        "commission": Decimal("1.24"),
        "net_pnl": Decimal("10.01"),
        "currency": "USD",
        "mae": 0,
        "mfe": Decimal("11.25"),
        "efficiency": Decimal("0.8897777778"),
        "r_multiple": None,
        "entry_vwap": None,
        "entry_cum_delta": None,
        "entry_poc": None,
        "trade_min_price": Decimal("5050.25"),
        "trade_max_price": Decimal("5052.5"),
        "fills": 2,
        "flags": [],
        "commission_source": None,
        "exit_vwap": None,
        "exit_cum_delta": None,
        "exit_poc": None,
    }


def test_without_a_commission_net_is_gross_and_flagged(shell: Shell) -> None:
    """P6: unknown is null and said so, never zero."""
    key = PositionKey("SIM", "Sim1", "ESZ26-CME")
    with shell.writer as writer, writer.transaction():
        writer.put_instrument(Instrument(symbol="ESZ26-CME", point_value=Decimal(50)))
        record(writer, key, [fill(key, "-1 @ 6850.25", minute=11), fill(key, "+1 @ 6851", minute=12)])
    (found,) = shell("export", "trades", "--symbol", "ESZ26-CME", "--format", "json").json
    assert (found["realized_pnl"], found["net_pnl"], found["commission"]) == (Decimal("-37.5"), Decimal("-37.5"), None)
    assert (found["side"], found["flags"], found["efficiency"]) == ("SHORT", ["commission_unknown"], None)


def test_an_exit_without_a_price_has_no_profit(shell: Shell) -> None:
    """N13: exit and P&L are null, never invented."""
    key = PositionKey("SIM", "Sim1", "ESZ26-CME")
    with shell.writer as writer, writer.transaction():
        record(writer, key, [fill(key, "+1 @ 6850.25", minute=11), fill(key, "-1", minute=12)])
    (found,) = shell("export", "trades", "--symbol", "ESZ26-CME", "--format", "json").json
    assert (found["entry_price"], found["exit_price"]) == (Decimal("6850.25"), None)
    assert (found["realized_points"], found["realized_pnl"], found["net_pnl"]) == (None, None, None)


@pytest.mark.parametrize("what", list(KEYS))
@pytest.mark.parametrize("empty", [False, True])
def test_csv_has_a_header_and_the_same_columns_as_json(shell: Shell, what: str, empty: bool) -> None:
    """CSV by RFC 4180: header always, CRLF, dot decimals; the columns are the JSON keys."""
    words = ("--symbol", "nothing") if empty else ()
    text = shell("export", what, *words).out
    assert text.splitlines()[0] == ",".join(KEYS[what])
    assert text.endswith("\r\n") or "\r" not in text
    objects = shell("export", what, *words, "--format", "json").json
    assert len(rows_of(text)) == len(objects) == (0 if empty else len(objects))
    assert empty or all(tuple(row) == KEYS[what] for row in objects)


def test_csv_cells(shell: Shell) -> None:
    """Nothing is an empty cell, flags are words with blanks between, a comma inside is quoted."""
    key = PositionKey("SIM", 'a "b", c', "X")
    with shell.writer as writer, writer.transaction():
        record(writer, key, [fill(key, "+1", minute=11, flags=("carried", "overfill"))])
    row = rows_of(shell("export", "fills", "--symbol", "X").out)[0]
    assert (row["account"], row["price"], row["flags"]) == ('a "b", c', "", "carried overfill")
    assert row["time"] == "2026-11-20T14:11:01.250000Z"


def test_jsonl_is_one_object_a_line(shell: Shell) -> None:
    """Each line stands for itself."""
    lines = shell("export", "fills", "--format", "jsonl").out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [1, 2, 3, 4, 5]


def test_columns_of_ones_own(shell: Shell) -> None:
    """Any of the keys, in the order asked for; an unknown one is refused with those there are."""
    text = shell("export", "trades", "--columns", "net_pnl, symbol").out
    assert rows_of(text) == [{"net_pnl": "10.01", "symbol": MES}]
    assert text.startswith("net_pnl,symbol")
    ran = shell("export", "trades", "--columns", "net,symbol", code=2)
    assert "trades have no column net; known are id, mode" in ran.err
    shell("export", "trades", "--columns", " , ", code=2)


def test_the_view_of_switch_does_not_change_what_cron_writes(shell: Shell) -> None:
    """What a person looks at and what a script exports are two things; --mode narrows both."""
    shell("switch", "LIVE")
    assert len(rows_of(shell("export", "fills").out)) == 5
    assert len(rows_of(shell("export", "fills", "--mode", "LIVE").out)) == 2


def test_since_and_until_select_trades_by_their_exit(shell: Shell) -> None:
    """P11: the P&L of a trade belongs to the time of its exit."""
    assert len(rows_of(shell("export", "trades", "--since", "14:02", "--until", "14:03").out)) == 1
    assert len(rows_of(shell("export", "trades", "--until", "14:02").out)) == 0


def test_output_appears_whole(shell: Shell, tmp_path: Path) -> None:
    """A file is replaced in one step, and nothing else is left in its folder."""
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / "fills.csv"
    path.write_text("old", encoding="utf-8")
    assert shell("export", "fills", "--output", str(path)).out == ""
    assert path.read_bytes().decode() == shell("export", "fills").out.replace("\n", "\r\n").replace("\r\r", "\r")
    assert list(folder.iterdir()) == [path]


def test_a_failing_export_leaves_the_old_file(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """N14: nothing half-written, and the fault names the path."""
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / "fills.csv"
    path.write_text("old", encoding="utf-8")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(dtcpos.cli.exports.WRITERS, "csv", fail)
    ran = shell("export", "fills", "--output", str(path), code=5)
    assert (
        ran.err == f"dtcpos: cannot write {path}: No space left on device; free some room or choose another --output\n"
    )
    assert path.read_text(encoding="utf-8") == "old"
    assert list(folder.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(shell: Shell, tmp_path: Path) -> None:
    """U4: the value and the remedy."""
    path = tmp_path / "nowhere" / "fills.csv"
    assert f"cannot write {path}" in shell("export", "fills", "-o", str(path), code=5).err


def test_wrong_words_are_usage(shell: Shell) -> None:
    """Exit 2, one line, with what is possible."""
    ran = shell("export", "tradez", code=2)
    assert ran.err.count("\n") == 1
    assert "trades" in ran.err
    shell("export", "trades", "--format", "xml", code=2)
    shell("export", code=2)


def test_positions_export_is_the_listing(shell: Shell) -> None:
    """One way to say what is held."""
    assert shell("export", "positions", "--format", "json").json == shell("positions", "--json").json


def test_a_long_export_is_streamed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the rows: the first is written before the last is read."""
    with shell.writer as writer, writer.transaction():
        record(writer, SIM_MES, [fill(SIM_MES, "+1 @ 5050", minute=40) for _ in range(200)])
    written: list[int] = []
    made: list[int] = []
    plain_fill = dtcpos.cli.exports.fill_json

    def watched(*arguments: object) -> object:
        made.append(1)
        return plain_fill(*arguments)  # type: ignore[arg-type]

    def count(rows: object, _keys: object, _out: object) -> None:
        for _ in rows:  # type: ignore[attr-defined]
            written.append(len(made))

    monkeypatch.setattr(dtcpos.cli.exports, "fill_json", watched)
    monkeypatch.setitem(dtcpos.cli.exports.WRITERS, "csv", count)
    shell("export", "fills")
    assert written == list(range(1, 206))
