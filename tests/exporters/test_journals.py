"""Tradervue and TradeNote: files made by hand from the description of their columns."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.booking import replay
from dtcpos.booking.pairing import Method
from dtcpos.exporters import tradenote, tradervue
from dtcpos.exporters.remarks import Remarks
from dtcpos.exporters.symbols import contract_of, kind_of, root_name
from dtcpos.exporters.walk import NewFills, executions, lots
from dtcpos.model import Account, Fill, Instrument, Mode, PositionKey, Side, Source
from dtcpos.store import PositionRepository, Selection
from dtcpos.store.exporting import ExportReader

CHICAGO, VIENNA = ZoneInfo("America/Chicago"), ZoneInfo("Europe/Vienna")
START = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
MES = Instrument(symbol="MESZ26-CME", point_value=D(5), tick=D("0.25"), currency="USD", commission=D("0.62"))
NEVER = datetime(2026, 11, 22, tzinfo=UTC)


class Book:
    """Fills of one ledger, written as they are booked."""

    def __init__(self, *instruments: Instrument) -> None:
        self.repository = PositionRepository.in_memory()
        with self.repository.transaction():
            for account, mode in (("Sim1", Mode.SIM), ("120005", Mode.LIVE)):
                self.repository.put_account(Account(account=account, mode=mode, rule="name", first_seen_at=NEVER))
            for instrument in instruments:
                self.repository.put_instrument(instrument)
        self.count = 0

    def add(self, text: str, second: float, account: str = "120005", symbol: str = "MESZ26-CME", **other: Any) -> int:
        quantity, _, price = text.partition(" @ ")
        self.count += 1
        fill = Fill(
            id=self.count,
            account=account,
            symbol=symbol,
            side=Side.BUY if quantity[0] == "+" else Side.SELL,
            quantity=D(quantity[1:]),
            price=D(price) if price else None,
            time=START + timedelta(seconds=second),
            time_is_exact=True,
            execution_id=f"E-{self.count}",
            booked_at=NEVER,
        )
        with self.repository.transaction():
            self.repository.add_fills([fill._replace(**other)])
        return self.count

    @property
    def reader(self) -> ExportReader:
        return ExportReader(self.repository._connection, "memory")

    def rows(self, journal: Any, zone: ZoneInfo = CHICAGO, **chosen: Any) -> list[str]:
        self.remarks = Remarks()
        out = io.StringIO(newline="")
        writer = csv.writer(out)
        for execution in executions(self.reader, Selection(**chosen)):
            writer.writerows(journal.rows(execution, zone, self.remarks))
        return out.getvalue().splitlines()


def test_tradervue_rows() -> None:
    """Executions with date, time in the zone asked for, contract, quantity, price, side and charges."""
    book = Book(MES)
    book.add("+2 @ 5050.25", 1.25)
    book.add("-2 @ 5052", 62, commission=D("1.5"))
    assert ",".join(tradervue.COLUMNS) == "Date,Time,Symbol,Quantity,Price,Side,Commission,TransFee,ECNFee"
    assert book.rows(tradervue) == [
        "2026-11-20,08:30:01,MESZ26,2,5050.25,BUY,1.24,0,0",
        "2026-11-20,08:31:02,MESZ26,2,5052,SELL,1.5,0,0",
    ]
    assert book.rows(tradervue, VIENNA)[0].startswith("2026-11-20,15:30:01,")
    assert list(book.remarks.lines()) == []


def test_tradenote_rows() -> None:
    """The template's 22 columns; gross is signed quantity times price times point value, net less the commission."""
    book = Book(MES)
    book.add("+2 @ 5050.25", 1)
    book.add("-2 @ 5052", 62)
    assert len(tradenote.COLUMNS) == 22
    assert book.rows(tradenote) == [
        "120005,11/20/2026,11/20/2026,USD,future,B,MES,2,5050.25,08:30:01,1.24,0,0,0,0,0,0,-50502.5,-50503.74,,,",
        "120005,11/20/2026,11/20/2026,USD,future,S,MES,2,5052,08:31:02,1.24,0,0,0,0,0,0,50520,50518.76,,,",
    ]


@pytest.mark.parametrize(
    ("fills", "sides"),
    [
        (["+1 @ 1", "+1 @ 1", "-2 @ 1"], ["B 1", "B 1", "S 2"]),
        (["-1 @ 1", "-1 @ 1", "+2 @ 1"], ["SS 1", "SS 1", "BC 2"]),
        (["+1 @ 1", "-3 @ 1", "+2 @ 1"], ["B 1", "S 1", "SS 2", "BC 2"]),
        (["-2 @ 1", "+5 @ 1", "-3 @ 1"], ["SS 2", "BC 2", "B 3", "S 3"]),
        (["+0.5 @ 1", "-0.75 @ 1"], ["B 0.5", "S 0.5", "SS 0.25"]),
    ],
)
def test_tradenote_sides(fills: list[str], sides: list[str]) -> None:
    """P1: an execution through zero is S and SS, or BC and B."""
    book = Book(MES)
    for second, text in enumerate(fills):
        book.add(text, second)
    assert [" ".join((cells[5], cells[7])) for cells in csv.reader(book.rows(tradenote))] == sides


def test_a_flip_shares_its_commission_and_its_moment() -> None:
    """P1: both lines have the one time, and their charges add up to the fill's."""
    book = Book(evolve(MES, commission=None))
    book.add("+1 @ 5000", 0, commission=D("0.62"))
    book.add("-3 @ 5001", 1, commission=D("2"))
    _, closing, opening = csv.reader(book.rows(tradenote))
    assert (closing[9], opening[9]) == ("08:30:01", "08:30:01")
    assert (closing[10], opening[10]) == ("0.666666667", "1.333333333")
    assert D(closing[17]) + D(opening[17]) == 3 * 5001 * 5


def test_what_cannot_be_said_is_left_out_and_told() -> None:
    """N13, P4, P6: no price, no point value, no commission: nothing is invented, and the person is told."""
    book = Book(Instrument(symbol="XYZ"))
    book.add("+1", 0, symbol="XYZ", source=Source.ADJUSTMENT)
    book.add("-1 @ 12.5", 1, symbol="XYZ", account="Sim1")
    book.add("+1 @ 12.5", 2, symbol="XYZ")
    rows = list(csv.reader(book.rows(tradenote)))
    assert [(row[4], row[6], row[10], row[17], row[18]) for row in rows] == [("stock", "XYZ", "0", "", "")] * 2
    told = "\n".join(book.remarks.lines())
    assert "1 execution without a known price left out" in told
    assert "2 executions without a known commission, written as 0" in told
    assert "point value of XYZ unknown" in told
    assert "executions of LIVE, SIM are in one file" in told


def test_scaled_prices_are_written_as_people_write_them() -> None:
    """P5: the wire's 505025 is 5050.25 wherever a person reads it."""
    book = Book(evolve(MES, multiplier=D("0.01")))
    book.add("+1 @ 505025", 0)
    (row,) = csv.reader(book.rows(tradervue))
    assert row[4] == "5050.25"


def test_executions_of_many_symbols_are_in_the_order_of_time() -> None:
    """One ascending list, whatever the order of booking was; superseded and void rows are not in it."""
    book = Book(MES)
    book.add("+1 @ 5000", 50)
    book.add("+1 @ 100", 10, symbol="CLF7", account="Sim1")
    book.add("-1 @ 101", 60, symbol="CLF7", account="Sim1")
    book.add("-1 @ 5001", 55)
    wrong = book.add("+1 @ 9", 20, symbol="ZN")
    book.add("+1 @ 110.515625", 20, symbol="ZN", supersedes=wrong)
    busted = book.add("+1 @ 8", 21, symbol="ZB")
    book.add("+1 @ 8", 21, symbol="ZB", supersedes=busted, is_void=True)
    rows = list(csv.reader(book.rows(tradervue)))
    assert [(row[1], row[2]) for row in rows] == [
        ("08:30:10", "CLF27"),
        ("08:30:20", "ZN"),
        ("08:30:50", "MESZ26"),
        ("08:30:55", "MESZ26"),
        ("08:31:00", "CLF27"),
    ]
    assert rows[1][4] == "110.515625"


def test_a_part_of_the_time_knows_what_was_held_before() -> None:
    """A fill that closes what was opened before --since is S, not SS; the same for what is new to a cursor."""
    book = Book(MES)
    book.add("+1 @ 5000", 0)
    book.add("-2 @ 5001", 3600)
    sides = [row[5] for row in csv.reader(book.rows(tradenote, since=START + timedelta(minutes=30)))]
    assert sides == ["S", "SS"]
    new = list(executions(book.reader, Selection(), NewFills(1)))
    assert [(each.fill.id, each.held) for each in new] == [(2, D(1))]


def test_filters() -> None:
    """Mode, account and symbol choose executions as they choose rows."""
    book = Book(MES)
    book.add("+1 @ 5000", 0)
    book.add("+1 @ 5000", 1, account="Sim1")
    book.add("+1 @ 60", 2, account="Sim1", symbol="CLF27")
    for chosen, count in (
        ({"modes": ("SIM",)}, 2),
        ({"modes": ()}, 0),
        ({"account": "120005"}, 1),
        ({"symbol": "CLF27"}, 1),
        ({"until": START + timedelta(seconds=2)}, 2),
    ):
        assert len(book.rows(tradervue, **chosen)) == count


@pytest.mark.parametrize(
    ("symbol", "contract", "root", "kind"),
    [
        ("MESZ26-CME", "MESZ26", "MES", "future"),
        ("MESZ26_FUT_CME", "MESZ26", "MES", "future"),
        ("F.US.MESZ26", "MESZ26", "MES", "future"),
        ("MESZ6", "MESZ26", "MES", "future"),
        ("ESH2027", "ESH27", "ES", "future"),
        ("6EZ5", "6EZ25", "6E", "future"),
        ("CLF2", "CLF32", "CL", "future"),
        ("EURUSD", "EURUSD", "EURUSD", "forex"),
        ("EUR/USD", "EUR/USD", "EUR/USD", "forex"),
        ("BRK.B", "BRK.B", "BRK_B", "stock"),
        ("AAPL", "AAPL", "AAPL", "stock"),
    ],
)
def test_symbols(symbol: str, contract: str, root: str, kind: str) -> None:
    """Every spelling of a contract is one contract; TradeNote's root has no dots."""
    assert contract_of(symbol, date(2026, 11, 20)) == contract
    assert (root_name(symbol), kind_of(symbol)) == (root, kind)


QUANTITIES = st.lists(st.tuples(st.sampled_from("+-"), st.integers(1, 5), st.integers(1990, 2010)), max_size=24)


@settings(max_examples=60, deadline=None)
@given(QUANTITIES)
def test_tradenote_adds_up_to_the_trades(fills: list[tuple[str, int, int]]) -> None:
    """P2: what flowed by the file is what the booking realized less the cost of what is open, to the cent."""
    book = Book(MES)
    for second, (sign, quantity, price) in enumerate(fills):
        book.add(f"{sign}{quantity} @ {D(price) / 4}", second * 0.4)
    rows = list(csv.reader(book.rows(tradenote)))
    key = PositionKey("LIVE", "120005", "MESZ26-CME")
    done = replay(key, [execution.fill for execution in executions(book.reader, Selection())])
    realized = sum((trade.realized or D(0) for trade in done.trades), done.position.realized or D(0))
    cost = done.position.cost or D(0)
    assert sum((D(row[17]) for row in rows), D(0)) == (realized - cost) * 5
    commission = sum((trade.commission or D(0) for trade in done.trades), done.position.commission or D(0))
    assert sum((D(row[10]) for row in rows), D(0)) == commission
    held = D(0)
    for row in rows:
        signed = D(row[7]) * {"B": 1, "BC": 1, "S": -1, "SS": -1}[row[5]]
        assert (row[5] in ("B", "SS")) == (held == 0 or (held > 0) == (signed > 0))
        assert row[5] not in ("S", "BC") or abs(signed) <= abs(held)
        held += signed
    assert held == done.position.signed_quantity


@settings(max_examples=40, deadline=None)
@given(QUANTITIES, st.sampled_from(list(Method)))
def test_lots_add_up_to_the_trades(fills: list[tuple[str, int, int]], method: Method) -> None:
    """P13: however lots are paired, the total is the same whenever the position is flat."""
    book = Book(MES)
    held = 0
    for second, (sign, quantity, price) in enumerate(fills):
        held += quantity if sign == "+" else -quantity
        book.add(f"{sign}{quantity} @ {D(price) / 4}", second * 60)
    if held:
        book.add(f"{'-' if held > 0 else '+'}{abs(held)} @ 500", 100_000)
    found = [pair for _, pair in lots(book.reader, Selection(), method)]
    key = PositionKey("LIVE", "120005", "MESZ26-CME")
    done = replay(key, [execution.fill for execution in executions(book.reader, Selection())])
    assert sum((pair.points or D(0) for pair in found), D(0)) == sum((t.realized or D(0) for t in done.trades), D(0))
    assert sum((pair.commission or D(0) for pair in found), D(0)) == sum(
        (t.commission or D(0) for t in done.trades), D(0)
    )
    assert [pair.exit_time for pair in found] == sorted(pair.exit_time for pair in found)
