"""`dtcpos export`: days, cursors, columns of one's own, trading journals."""

from __future__ import annotations

import csv
import io
import os
from datetime import timedelta
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from dtcpos.cli.columns import columns_of
from dtcpos.cli.exports import WRITERS
from dtcpos.cli.keys import TRADE_KEYS, trade_json
from dtcpos.exporters.trade_text import TRADE_CELLS, trade_cells
from dtcpos.keeping.journal import changed, trade_text
from dtcpos.model import Instrument, PositionKey
from dtcpos.store import LedgerReader
from tests.cli.conftest import LIVE_MES, MES, NOW, SIM_MES, Shell, fill, record
from tests.store.ledgers import trade

ES = PositionKey("SIM", 'a "b", c', "ESZ26-CME")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def odd_trades(shell: Shell) -> None:
    """Trades with every kind of unknown and every kind of division."""
    nothing: dict[str, Any] = {
        "opened_notional": None,
        "closed_notional": None,
        "realized": None,
        "price_min": None,
        "price_max": None,
        "mae": None,
        "mfe": None,
    }
    with shell.writer as writer, writer.transaction():
        writer.put_instrument(
            Instrument(
                symbol="ESZ26-CME",
                point_value=D("0.07"),
                currency='U"S',
                commission=D(1),
                commission_source="settings",
            )
        )
        numbers = [
            {"total_quantity": D(3), "quantity": D(3), "opened_notional": D("20000.25"), "closed_notional": D("-3.1")},
            {"total_quantity": D(7), "opened_notional": D("-0.0000000001"), "commission": D("0.000000001")},
            {"opened_notional": D("0.00000000012345"), "mfe": D(0), "mae": D(0), "realized": D(0)},
            {"opened_notional": D("123456789012345678.5"), "closed_notional": D(2), "total_quantity": D("0.001")},
            {"realized": D("-7.25"), "mfe": D("0.5"), "commission": D("1.24"), "flags": ("overfill",)},
            {"total_quantity": D(2), "opened_notional": D("0.00000000025"), "closed_notional": D("0.00000000035")},
            {"commission": D("1.75"), "realized": D(25), "mfe": D("1E+3"), "flags": ("carried", "commission_unknown")},
            nothing,
        ]
        for place, other in enumerate(numbers):
            for key, first in ((ES, 1000), (LIVE_MES, 2000), (PositionKey("LIVE", "é,\n", "X"), 3000)):
                writer.add_trades([trade(first + 2 * place, place, place + 5.000001, key, **other)])
        writer.set_initial_risk(SIM_MES, D("2.5"))
        record(writer, SIM_MES, [fill(SIM_MES, "-2 @ 5049", minute=50, commission=D("1.24"))])


def test_trades_as_text_are_the_trades(shell: Shell, tmp_path: Path) -> None:
    """F5: the quick way and the way over nouns write the same bytes, whatever a trade is made of."""
    odd_trades(shell)
    assert TRADE_CELLS == TRADE_KEYS
    out = io.StringIO(newline="")
    with LedgerReader.open(shell.path) as reader:
        trades = list(reader.trades())
        WRITERS["csv"](map(trade_json, trades), TRADE_KEYS, out)
        cells = trade_cells(reader.trade_rows(), reader.instruments(), "x")
        assert len(list(cells)) == len(trades) > 24
    shell("export", "trades", "--output", str(tmp_path / "trades.csv"))
    assert (tmp_path / "trades.csv").read_bytes().decode() == out.getvalue()
    chosen = "exit_time,account,r_multiple,net_pnl"
    picked = [{key: row[key] for key in chosen.split(",")} for row in rows_of(out.getvalue())]
    assert rows_of(shell("export", "trades", "--columns", chosen).out) == picked


def test_columns_are_renamed(shell: Shell) -> None:
    """A map of one's own: name=key, for every format, a name with a comma's neighbours quoted where needed."""
    words = ("--columns", 'Ticker=symbol, net_pnl,The "P"=entry_price')
    (row,) = rows_of(shell("export", "trades", *words).out)
    assert row == {"Ticker": MES, "net_pnl": "10.01", 'The "P"': "5050.25"}
    (found,) = shell("export", "trades", *words, "--format", "json").json
    assert found == {"Ticker": MES, "net_pnl": D("10.01"), 'The "P"': D("5050.25")}
    assert rows_of(shell("export", "fills", "--columns", "N=id").out)[0] == {"N": "1"}
    assert "would be named x" in shell("export", "trades", "--columns", "x=id,x=symbol", code=2).err
    assert "have no column nett" in shell("export", "trades", "--columns", "x=nett", code=2).err
    assert columns_of(None, ("a", "b"), "x").is_plain


@pytest.mark.parametrize("what", ["trades", "fills", "journal"])
def test_a_cursor_exports_what_is_new(shell: Shell, tmp_path: Path, what: str) -> None:
    """U3: the first file has everything, the next only what came since, and with nothing new there is none."""
    words = ("export", what, "--cursor", "nightly", "--output", str(tmp_path / "out-{number}.csv"))
    everything = rows_of(shell("export", what).out)
    shell(*words)
    shell(*words)
    with shell.writer as writer, writer.transaction():
        record(writer, ES, [fill(ES, "+1 @ 1", minute=20), fill(ES, "-1 @ 2", minute=21)])
    shell(*words)
    shell(*words)
    files = sorted(tmp_path.glob("out-*"))
    assert [path.name for path in files] == ["out-1.csv", "out-2.csv"]
    first, second = (rows_of(path.read_bytes().decode()) for path in files)
    assert first == everything
    assert {row["account"] for row in second} == {ES.account}
    now = rows_of(shell("export", what).out)
    assert sorted(int(row["id"]) for row in [*first, *second]) == sorted(int(row["id"]) for row in now)


def test_a_cursor_of_executions(shell: Shell, tmp_path: Path) -> None:
    """The journal of what is new knows what was held before."""
    words = ("export", "fills", "--mode", "SIM", "--format", "tradenote", "--cursor", "tn", "-o")
    shell(*words, str(tmp_path / "{number}.csv"))
    with shell.writer as writer, writer.transaction():
        record(writer, SIM_MES, [fill(SIM_MES, "-3 @ 5049", minute=30, commission=D("0.62"))])
    shell(*words, str(tmp_path / "{number}.csv"))
    sides = [[row["Side"] for row in rows_of((tmp_path / name).read_text())] for name in ("1.csv", "2.csv")]
    assert sides == [["B", "S", "B"], ["S", "SS"]]


def test_a_cursor_to_standard_output_advances(shell: Shell) -> None:
    """What was written is not written again."""
    assert len(rows_of(shell("export", "fills", "--cursor", "x").out)) == 5
    assert shell("export", "fills", "--cursor", "x").out == ""


def test_a_file_that_is_there_is_not_written_over(shell: Shell, tmp_path: Path) -> None:
    """U3: nor does the cursor move, so nothing is lost."""
    path = tmp_path / "fills.csv"
    path.write_text("mine", encoding="utf-8")
    words = ("export", "fills", "--cursor", "x", "--output", str(path))
    assert "is there already" in shell(*words, code=2).err
    path.unlink()
    shell(*words)
    assert len(rows_of(path.read_text(encoding="utf-8"))) == 5


def test_a_cursor_keeps_its_meaning(shell: Shell) -> None:
    """Another filter under the same name would leave gaps; what a cursor decides is not decided twice."""
    shell("export", "fills", "--cursor", "x", "--mode", "live")
    assert "is for `export fills --mode LIVE`" in shell("export", "fills", "--cursor", "x", code=2).err
    for words in (
        ("fills", "--since", "today"),
        ("trades", "--until", "today"),
        ("trades", "--book", "fifo"),
        ("positions",),
        ("fills", "--per-day", "-o", "{date}"),
    ):
        shell("export", *words, "--cursor", "y", code=2)


def test_restated_trades_and_fills(shell: Shell, tmp_path: Path) -> None:
    """What changed after it was exported comes with --restated only: a trade under its id, a fill with what it was."""
    words = ("export", "trades", "--cursor", "t", "--output", str(tmp_path / "{number}.csv"))
    shell(*words)
    assert rows_of(shell("export", "trades", "--restated").out) == []
    with shell.writer as writer, writer.transaction():
        (before,) = writer.trades_of_key(*SIM_MES[1:])
        after = before._replace(realized=D(9))
        writer.replace_trade(after)
        writer.add_journal([changed(SIM_MES, NOW, "late", trade_text(before), trade_text(after), after.closed_by)])
        writer.add_fills([fill(SIM_MES, "-1 @ 5059.25", minute=2)._replace(id=6, supersedes=2, booked_at=NOW)])
    shell(*words)
    assert [path.name for path in tmp_path.glob("*.csv")] == ["1.csv"]
    (row,) = rows_of(shell("export", "trades", "--restated", "--cursor", "r").out)
    assert (row["id"], row["realized_points"]) == ("1", "9")
    assert shell("export", "trades", "--restated", "--cursor", "r").out == ""
    (found,) = shell("export", "fills", "--restated", "--format", "json").json
    assert (found["id"], found["price"], found["supersedes"]) == (6, D("5059.25"), [2])
    assert rows_of(shell("export", "fills", "--restated").out)[0]["supersedes"] == "2"
    assert shell("export", "trades", "--restated", "--mode", "LIVE", "--format", "json").json == []


@pytest.mark.parametrize("what", ["trades", "fills", "journal"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_file_for_each_trading_day(shell: Shell, tmp_path: Path, what: str, form: str) -> None:
    """P10: days begin at 17:00 in Chicago; together the files have every row once."""
    key = PositionKey("SIM", "Sim1", "ZNZ26")
    moved = [fill(key, "+1 @ 110", minute=31), fill(key, "-1 @ 111", minute=32)]
    with shell.writer as writer, writer.transaction():
        # 22:59 UTC is 16:59 in Chicago, a minute later the next day has begun.
        for days, hour in ((0, 22), (0, 23), (1, 10)):
            times = [
                NOW.replace(hour=hour, minute=59 if hour == 22 else 0, second=at) + timedelta(days=days)
                for at in (1, 2)
            ]
            record(
                writer,
                key,
                [each._replace(time=time, execution_id=f"{time}") for each, time in zip(moved, times, strict=True)],
            )
    shell("export", what, "--format", form, "--per-day", "--output", str(tmp_path / f"{{date}}.{form}"))
    names = sorted(path.name for path in tmp_path.glob(f"*.{form}"))
    assert names[0] == f"2026-11-20.{form}"
    if what != "journal":
        assert names == [f"2026-11-20.{form}", f"2026-11-21.{form}"]
    lines = [line for name in names for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
    headers = len(names) if form == "csv" else 0
    assert len(lines) - headers == len(rows_of(shell("export", what).out))


def test_a_day_is_written_whole(shell: Shell, tmp_path: Path) -> None:
    """--since in the middle of a day begins its file at the day's beginning, so that no file shrinks."""
    shell("export", "fills", "--per-day", "--since", "14:03:30", "-o", str(tmp_path / "{date}.csv"))
    (path,) = tmp_path.glob("*.csv")
    assert len(rows_of(path.read_text(encoding="utf-8"))) == 5


def test_since_yesterday(shell: Shell) -> None:
    """The day before today's trading day, from its beginning."""
    assert len(rows_of(shell("export", "fills", "--since", "yesterday").out)) == 5
    assert len(rows_of(shell("export", "fills", "--since", "yesterday", "--until", "yesterday").out)) == 0


def test_journals_for_trading_journals(shell: Shell) -> None:
    """Executions in the zone asked for, whichever of fills and trades is named, and what could not be said."""
    ran = shell("export", "trades", "--mode", "SIM", "--format", "tradervue", "--timezone", "Europe/Vienna")
    assert rows_of(ran.out)[0] == {
        "Date": "2026-11-20",
        "Time": "15:01:01",
        "Symbol": "MESZ26",
        "Quantity": "1",
        "Price": "5050.25",
        "Side": "BUY",
        "Commission": "0.62",
        "TransFee": "0",
        "ECNFee": "0",
    }
    assert "1 execution without a known commission, written as 0" in ran.err
    assert rows_of(shell("export", "fills", "--format", "tradenote").out)[0]["Exec Time"] == "08:01:01"


def test_lots(shell: Shell) -> None:
    """P13: lots paired first in, first out add up to the trade."""
    with shell.writer as writer, writer.transaction():
        record(
            writer, ES, [fill(ES, "+1 @ 10", minute=20), fill(ES, "+1 @ 12", minute=21), fill(ES, "-2 @ 15", minute=22)]
        )
    words = ("--symbol", "ESZ26-CME", "--columns", "entry_price,realized_points")
    assert [list(row.values()) for row in rows_of(shell("export", "trades", "--book", "fifo", *words).out)] == [
        ["10", "5"],
        ["12", "3"],
    ]
    assert [row["realized_points"] for row in rows_of(shell("export", "trades", *words).out)] == ["8"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("trades", "--timezone", "Europe/Vienna"), "--timezone is for tradervue"),
        (("fills", "--format", "tradenote", "--timezone", "Mars/Base"), "'Mars/Base' is not a known time zone"),
        (("positions", "--format", "tradervue"), "is for executions"),
        (("fills", "--format", "tradervue", "--columns", "id"), "columns of tradervue are fixed"),
        (("fills", "--per-day"), "--per-day needs a place for the day"),
        (("positions", "--per-day", "-o", "{date}"), "--per-day writes whole days"),
        (("fills", "-o", "{number}"), "counts the files of a --cursor"),
        (("fills", "--book", "fifo"), "--book fifo is for trades"),
        (("journal", "--restated"), "--restated is for trades and fills"),
        (("fills", "--cursor", "a b"), "no name for a cursor"),
    ],
)
def test_what_cannot_be_meant_is_refused(shell: Shell, words: tuple[str, ...], says: str) -> None:
    """U4: the value and the remedy, exit 2."""
    assert says in shell("export", *words, code=2).err


@pytest.mark.skipif(os.name == "nt", reason="links need rights of their own on Windows")
def test_a_link_stays_and_its_target_is_replaced(shell: Shell, tmp_path: Path) -> None:
    """N14: what a link points to is what is written, also where it points to nothing yet."""
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "fills.csv", tmp_path / "link.csv"
    link.symlink_to(target)
    for _ in range(2):
        shell("export", "fills", "--output", str(link))
        assert link.is_symlink()
        assert len(rows_of(target.read_text(encoding="utf-8"))) == 5
    assert list(target.parent.iterdir()) == [target]
    link.unlink()
    link.symlink_to(tmp_path / "nothing.csv")
    ran = shell("export", "fills", "--cursor", "nightly", "--output", str(link), code=2)
    assert "is there already" in ran.err
    assert link.is_symlink()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
@pytest.mark.parametrize(
    "words",
    [
        ("export", "fills", "--output", "PATH"),
        ("export", "fills", "--per-day", "--output", "PATH{date}"),
        ("status", "--prometheus", "PATH"),
        ("connect", "--once", "--timeout", "0.1", "127.0.0.1:1", "--capture", "PATH"),
        ("connect", "--once", "--timeout", "0.1", "127.0.0.1:1", "--log-file", "PATH"),
    ],
    ids=lambda words: words[-2].lstrip("-") + words[-1],
)
@pytest.mark.parametrize("ending", ["", "-wal", "-link"])
def test_a_ledger_is_never_written_over(shell: Shell, tmp_path: Path, words: tuple[str, ...], ending: str) -> None:
    """N14: one wrong word after --output does not cost the ledger, be it this one, another, or what lies beside it."""
    other = tmp_path / ("2026-11-20" if words[-1] == "PATH{date}" else "other.db")
    other.write_bytes(shell.path.read_bytes())
    (tmp_path / f"{other.name}-link").symlink_to(other)
    before = other.read_bytes()
    target = str(tmp_path / f"{{date}}{ending}") if words[-1] == "PATH{date}" else f"{other}{ending}"
    ran = shell(*words[:-1], target, code=2)
    assert "belongs to a ledger, which is not written over; name another file" in ran.err
    assert other.read_bytes() == before
    assert shell("verify").out == "ok\n"


def test_a_pipe_is_written_into(shell: Shell, tmp_path: Path) -> None:
    """N14: what waits at the other end gets the rows, and the pipe is still one."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # A descriptor that reads and writes keeps the pipe open, so that neither end waits for the other.
    end = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        shell("export", "fills", "--output", str(pipe))
        assert len(rows_of(os.read(end, 1 << 16).decode())) == 5
    finally:
        os.close(end)
    assert pipe.is_fifo()
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_device_is_written_into(shell: Shell, tmp_path: Path) -> None:
    """N14: a device is never replaced by a file; a full one is one line and exit 5."""
    for name, code in (("null", 0), ("full", 5)):
        device, link = Path("/dev") / name, tmp_path / name
        # Through a link, so that a mistake replaces the link and not a device of this machine.
        link.symlink_to(device)
        ran = shell("export", "fills", "--output", str(link), code=code)
        assert ran.err.count("\n") == (1 if code else 0)
        assert link.is_symlink()
        assert link.is_char_device()
    assert "cannot write" in ran.err
