"""Sierra Chart's Trade Activity Log as rows: columns by name, times, numbers, and refusals that name the line."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dtcpos.importers.report import ImportRefused
from dtcpos.importers.scaling import Scales
from dtcpos.importers.sierra import LINE_LENGTH_MAX, REQUIRED, LogFile
from dtcpos.keeping.imported import Logged
from dtcpos.model import Side, Source
from tests.importers.writing import COLUMNS, told, written

FIXTURES = Path(__file__).parents[2] / "fixtures" / "imports"
D = Decimal


def read(octets: bytes, **options: object) -> list[Logged]:
    return list(LogFile(Path("log.txt"), **options).read(BytesIO(octets)))  # type: ignore[arg-type]


def refused(octets: bytes) -> str:
    with pytest.raises(ImportRefused) as refusal:
        read(octets)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_a_row_becomes_an_execution() -> None:
    """U7: this execution's own quantity, two spaces in the time, UTC, and every name the log has for its order."""
    cells = {"FilledQuantity": 3, "PositionQuantity": -2, "FillExecutionServiceID": "101.1", "ExchangeOrderID": "80101"}
    (row,) = read(
        written([told("-2 @ 5050.25", 1.25, **cells, HighDuringPosition="5051.00", LowDuringPosition="5049")])
    )
    assert row.line == 2
    assert row.order_ids == ("1001", "501", "80101")
    assert (row.low, row.high) == (D(5049), D("5051.00"))
    fill = row.fill
    assert (fill.side, fill.quantity, fill.price) == (Side.SELL, D(2), D("5050.25"))
    assert (fill.cumulative_quantity, fill.position_after) == (D(3), D(-2))
    assert (fill.time, fill.time_is_exact) == (datetime(2026, 11, 20, 14, 30, 1, 250_000, UTC), True)
    assert (fill.execution_id, fill.order_id, fill.source) == ("101.1", "1001", Source.IMPORT)


def test_columns_are_found_by_name_in_any_order() -> None:
    """U7: 28 columns or 29, in whatever order; both fixtures tell the same executions."""
    utc = read((FIXTURES / "activity.txt").read_bytes())
    chicago = read((FIXTURES / "activity_chicago.txt").read_bytes(), zone=ZoneInfo("America/Chicago"))
    assert len(utc) == 6
    assert [row.fill for row in utc] == [row.fill for row in reversed(chicago)]
    backwards = read(written([told("+1 @ 5050.25")], columns=[*reversed(COLUMNS), "IsAutomated"]))
    assert [row.fill for row in backwards] == [row.fill for row in read(written([told("+1 @ 5050.25")]))]


def test_only_fills_are_executions() -> None:
    """U7: orders, balances and empty lines are counted and passed over, even where they repeat an execution's id."""
    fill = told("+1 @ 5050.25", FillExecutionServiceID="101.1")
    octets = written(
        [dict(fill) | {"ActivityType": "Orders", "BuySell": "?"}, fill, {"ActivityType": "Account Balance"}]
    )
    log = LogFile(Path("log.txt"))
    assert len(list(log.read(BytesIO(octets + b"\r\n")))) == 1
    assert (log.rows, log.fills) == (3, 1)


def test_a_time_in_another_zone() -> None:
    """U7: Save Log As writes local time; both sides of a change of clocks come out right."""
    zone = ZoneInfo("America/Chicago")
    rows = [told("+1 @ 5050", DateTime=text) for text in ("2026-11-01  00:30:00.5", "2026-11-01  03:30:00.5")]
    times = [row.fill.time for row in read(written(rows), zone=zone)]
    assert times == [datetime(2026, 11, 1, hour, 30, 0, 500_000, UTC) for hour in (5, 9)]


def test_an_hour_that_a_zone_has_twice_is_counted() -> None:
    """U7: nothing tells which of the two is meant, so it is said."""
    log = LogFile(Path("log.txt"), zone=ZoneInfo("America/Chicago"))
    (row,) = log.read(BytesIO(written([told("+1 @ 5050", DateTime="2026-11-01  01:30:00.0")])))
    assert log.unclear_times == 1
    assert row.fill.time == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert not row.fill.time_is_exact


def test_prices_keep_their_digits_and_zero_is_a_price() -> None:
    """P3: what is written is what is booked."""
    prices = ["110.515625", "1.08455", "-37.63", "0", "0.00000001", "5050.250000"]
    rows = [told("+1 @ 1", FillPrice=price, Quantity="0.001") for price in prices]
    read_back = read(written(rows))
    assert [row.fill.price for row in read_back] == [D(price) for price in prices]
    assert {row.fill.quantity for row in read_back} == {D("0.001")}


def test_a_scale_is_applied_to_every_price_of_its_symbol() -> None:
    """P5: only where it was asked for."""
    rows = [told("+1 @ 505025", HighDuringPosition=505100), told("+1 @ 1820025", Symbol="MNQZ26-CME")]
    first, second = read(written(rows), scales=Scales(None, {"MES": D("0.01")}))
    assert (first.fill.price, first.high) == (D("5050.25"), D(5051))
    assert second.fill.price == D(1820025)


def test_text_in_an_old_code_page_is_read() -> None:
    """U7: a note in the machine's own code page is no reason to refuse executions."""
    octets = written([told("+1 @ 5050.25", Note="MARK")]).replace(b"MARK", b"\x80 f\xfcr")
    assert len(read(b"\xef\xbb\xbf" + octets)) == 1


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"Quantity": "0"}, "Quantity '0' cannot be meant"),
        ({"Quantity": "-1"}, "Quantity '-1' cannot be meant"),
        ({"Quantity": "nan"}, "Quantity 'nan' cannot be meant"),
        ({"Quantity": ""}, "Quantity is empty"),
        ({"FillPrice": "5050,25"}, "FillPrice '5050,25' cannot be meant"),
        ({"FillPrice": "1e400"}, "FillPrice '1e400' cannot be meant"),
        ({"FillPrice": ""}, "FillPrice is empty"),
        ({"BuySell": "Hold"}, "BuySell 'Hold' cannot be meant"),
        ({"TradeAccount": ""}, "TradeAccount is empty"),
        ({"Symbol": ""}, "Symbol is empty"),
        ({"Symbol": "ES\x1b[2J"}, "Symbol 'ES\\x1b[2J' is no text"),
        ({"DateTime": "11/20/2026 14:30:00"}, "DateTime '11/20/2026 14:30:00' cannot be meant"),
        ({"DateTime": "2026-02-30  14:30:00.0"}, "DateTime '2026-02-30  14:30:00.0' cannot be meant"),
        ({"DateTime": "1899-12-30  00:00:00.0"}, "DateTime '1899-12-30  00:00:00.0' cannot be meant"),
        ({"PositionQuantity": "two"}, "PositionQuantity 'two' cannot be meant"),
        ({"Username": "a\tb"}, "29 cells under 28 headings"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line_value_and_remedy(cells: dict[str, str], words: str) -> None:
    """U7: one clear line says where it is, what it says, and that nothing was imported."""
    message = refused(written([told("+1 @ 5050.25"), {**told("+1 @ 5050.25"), **cells}]))
    assert message.startswith(f"log.txt, line 3: {words}; ")
    assert message.endswith("; nothing was imported")


@pytest.mark.parametrize("missing", REQUIRED)
def test_a_missing_column_is_named(missing: str) -> None:
    """U7: what the file lacks to be a log."""
    columns = [name for name in COLUMNS if name != missing]
    assert f"line 1: the header lacks {missing}; " in refused(written([told("+1 @ 5050.25")], columns=columns))


def test_a_log_that_was_cut_within_a_line_is_refused(tmp_path: Path) -> None:
    """U7: cut after any byte of a row; half an account or half an id is never taken for a whole one."""
    first, last = told("+1 @ 5050.25", FillExecutionServiceID="7.1"), told("-1 @ 5051", 1, FillExecutionServiceID="7.2")
    whole = written([first, last])
    start = len(written([first]))
    for end in range(start + 1, len(whole) - len(b"\t\r\n")):
        log = LogFile(tmp_path / "log.txt")
        with pytest.raises(ImportRefused, match="line 3: "):
            list(log.read(BytesIO(whole[:end])))
    for columns in (COLUMNS, (*(name for name in COLUMNS if name != "FillPrice"), "FillPrice")):
        cut = written([first, last], columns=columns).rstrip(b"\r\n")
        if columns[-1] == "FillPrice":
            with pytest.raises(ImportRefused, match="line 3: the line does not end: the file was cut"):
                list(LogFile(tmp_path / "log.txt").read(BytesIO(cut)))
        else:
            # Nothing that is read can have been lost.
            assert len(list(LogFile(tmp_path / "log.txt").read(BytesIO(cut)))) == 2


def test_other_files_are_recognised() -> None:
    """U7: the list of trades, a comma separated file, UTF-16 and no file at all each get their own answer."""
    assert "this is the list of trades" in refused(b"Symbol\tTrade Type\tEntry DateTime\tExit DateTime\r\n")
    assert "the header lacks ActivityType" in refused(b",".join(name.encode() for name in COLUMNS) + b"\r\n")
    assert "not plain text" in refused("ActivityType\tDateTime\r\n".encode("utf-16"))
    assert "is empty" in refused(b"")
    assert f"longer than {LINE_LENGTH_MAX} bytes" in refused(b"x" * (LINE_LENGTH_MAX + 5))
