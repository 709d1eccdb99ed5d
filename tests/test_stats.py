"""What was earned, and when: exits by trading day, trades as a whole, modes and currencies apart."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.booking import replay
from dtcpos.booking.pairing import Method
from dtcpos.earnings import performance
from dtcpos.keeping.posting import Posting
from dtcpos.model import Account, Direction, Fill, Instrument, Mark, PositionKey, Side, Source, Trade
from dtcpos.settings import TradingDay
from dtcpos.stats import Block, Calendar
from dtcpos.store import PositionRepository, Selection
from dtcpos.store.exits import ExitReader

# Nobody knows what a point of the last one is worth.
MES, DAX, ODD = "MESZ26-CME", "FDAXZ26-EUREX", "QQQQQZ26-NONE"
CHICAGO = TradingDay()
LATER = datetime(2026, 12, 1, tzinfo=UTC)


class Ledger:
    """A ledger that books fills as the keeper does, and what `performance` makes of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repository = PositionRepository.open(path)
        with self.repository.transaction():
            for symbol, value, currency in ((MES, "5", "USD"), (DAX, "25", "EUR")):
                self.repository.put_instrument(
                    Instrument(
                        symbol=symbol, point_value=Decimal(value), currency=currency, point_value_source="server"
                    )
                )
            for account, mode in (("Sim1", "SIM"), ("120005", "LIVE")):
                self.repository.put_account(Account(account=account, mode=mode, rule="name", first_seen_at=LATER))
        self.posting = Posting(self.repository, one_position_per_account=False)
        self._count = 0

    def fill(self, when: str, text: str, *, symbol: str = MES, account: str = "Sim1", **other: Any) -> None:
        """Book `+2 @ 5050.25` at a moment such as `11-20 15:00` of 2026, in UTC; `?` is a price nobody knows."""
        self._count += 1
        with self.repository.transaction():
            self.posting.post_live([fill_of(self._count, when, text, symbol, account, **other)], now=LATER)

    def mark(self, price: str, symbol: str = MES, when: datetime = LATER) -> None:
        with self.repository.transaction():
            self.repository.put_marks([Mark(symbol=symbol, price=Decimal(price), time=when)])

    def blocks(
        self, selection: Selection | None = None, trading_day: TradingDay = CHICAGO, **other: Any
    ) -> list[Block]:
        with ExitReader.open(self.path) as reader:
            return performance(reader, selection or Selection(), trading_day=trading_day, **other)

    def block(self, selection: Selection | None = None, **other: Any) -> Block:
        (found,) = self.blocks(selection, **other)
        return found


def fill_of(number: int, when: str, text: str, symbol: str, account: str, **other: Any) -> Fill:
    quantity, _, price = text.partition(" @ ")
    return Fill(
        account=account,
        symbol=symbol,
        side=Side.BUY if quantity[0] == "+" else Side.SELL,
        quantity=Decimal(quantity[1:]),
        price=None if price == "?" else Decimal(price),
        time=moment(when),
        time_is_exact=True,
        execution_id=f"E-{number}",
        order_id=str(number),
        **{"source": Source.LIVE, **other},
    )


def moment(when: str) -> datetime:
    return datetime.fromisoformat(f"2026-{when}").replace(tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "ledger.db")
    yield made
    made.repository.close()


def days(block: Block) -> dict[str, Decimal | None]:
    return {part.name: part.earned.net for part in block.days}


def test_a_partial_exit_belongs_to_the_day_of_the_exit(ledger: Ledger) -> None:
    """P11: the past day is the same before and after a later fill closes the rest."""
    ledger.fill("11-18 15:00", "+3 @ 5000", commission=Decimal("1.86"))
    ledger.fill("11-18 16:00", "-1 @ 5010", commission=Decimal("0.62"))
    past = Selection(until=moment("11-18 23:00"))
    before = ledger.block(past)
    assert days(before) == {"2026-11-18": Decimal("48.76")}
    assert before.figures.trades == 0
    ledger.fill("11-19 15:00", "-1 @ 5004", commission=Decimal("0.62"))
    ledger.fill("11-20 15:00", "-1 @ 4990", commission=Decimal("0.62"))
    assert days(ledger.block(past)) == days(before)
    whole = ledger.block()
    assert days(whole) == {
        "2026-11-18": Decimal("48.76"),
        "2026-11-19": Decimal("18.76"),
        "2026-11-20": Decimal("-51.24"),
    }
    assert (whole.earned.gross, whole.earned.commission, whole.earned.net) == (20, Decimal("3.72"), Decimal("16.28"))
    assert (whole.figures.trades, whole.figures.best) == (1, Decimal("16.28"))
    assert [part.earned.trades for part in whole.days] == [0, 0, 1]
    assert days(ledger.block(Selection(since=moment("11-19 22:00")))) == {"2026-11-20": Decimal("-51.24")}
    between = ledger.block(Selection(since=moment("11-18 22:59"), until=moment("11-19 22:59")))
    assert (days(between), between.figures.trades) == ({"2026-11-19": Decimal("18.76")}, 0)


def test_exits_of_one_trade_within_one_second_and_in_a_chain_of_flips(ledger: Ledger) -> None:
    """P11: trades that share a second with their neighbours keep their own exits."""
    ledger.fill("11-18 15:00:00.1", "+2 @ 100", symbol=ODD)
    ledger.fill("11-18 23:30:00.1", "-1 @ 101", symbol=ODD)
    ledger.fill("11-19 15:00:00.1", "-3 @ 103", symbol=ODD)
    ledger.fill("11-19 15:00:00.2", "+1 @ 100", symbol=ODD)
    ledger.fill("11-19 15:00:00.3", "+2 @ 99", symbol=ODD)
    ledger.fill("11-20 15:00:00.1", "-0.5 @ 101", symbol=ODD)
    ledger.fill("11-20 23:15:00.1", "-0.5 @ 105", symbol=ODD)
    (block,) = ledger.blocks()
    assert {part.name: part.earned.points for part in block.days} == {
        "2026-11-19": 1 + 3 + 3 + 4,
        "2026-11-20": 1,
        "2026-11-21": 3,
    }
    assert (block.figures.trades, block.earned.points) == (3, 15)


@pytest.mark.parametrize(
    ("when", "day"),
    [
        ("03-07 22:59:59.999999", "2026-03-07"),
        ("03-07 23:00", "2026-03-08"),
        ("03-08 21:59:59.999999", "2026-03-08"),
        ("03-08 22:00", "2026-03-09"),
        ("03-09 21:59", "2026-03-09"),
        ("10-31 21:59", "2026-10-31"),
        ("10-31 22:00", "2026-11-01"),
        ("11-01 22:59:59.999999", "2026-11-01"),
        ("11-01 23:00", "2026-11-02"),
    ],
)
def test_the_trading_day_on_the_days_clocks_change(ledger: Ledger, when: str, day: str) -> None:
    """P10: 17:00 in Chicago is 23:00 UTC in winter and 22:00 in summer, on both Sundays of 2026."""
    ledger.fill("01-05 15:00", "+1 @ 100")
    ledger.fill(when, "-1 @ 101")
    assert list(days(ledger.block())) == [day]


def test_weeks_and_months_are_of_trading_days(ledger: Ledger) -> None:
    """P10: Sunday evening is Monday's, the last evening of a month the next month's."""
    ledger.fill("11-22 22:30", "+1 @ 100")
    ledger.fill("11-22 23:30", "-1 @ 101")
    ledger.fill("11-30 22:30", "+1 @ 100")
    ledger.fill("11-30 23:30", "-1 @ 103")
    block = ledger.block()
    assert [(part.name, part.earned.net, part.equity) for part in block.weeks] == [
        ("2026-W48", 5, 5),
        ("2026-W49", 15, 20),
    ]
    assert [(part.name, part.earned.net) for part in block.months] == [("2026-11", 5), ("2026-12", 15)]


def test_modes_are_added_only_when_asked(ledger: Ledger) -> None:
    """M2: a block for each mode; the total comes last and only with ALL."""
    ledger.fill("11-18 15:00", "+1 @ 100")
    ledger.fill("11-18 15:01", "-1 @ 110")
    ledger.fill("11-18 15:02", "-1 @ 100", account="120005")
    ledger.fill("11-18 15:03", "+1 @ 104", account="120005")
    assert [(block.mode, block.earned.net) for block in ledger.blocks()] == [("LIVE", -20), ("SIM", 50)]
    live, sim, total = ledger.blocks(with_total=True)
    assert [block.mode for block in (live, sim, total)] == ["LIVE", "SIM", "ALL"]
    assert (total.earned.net, total.figures.trades, total.figures.max_drawdown) == (30, 2, -20)
    assert [part.name for part in total.accounts] == ["120005", "Sim1"]
    (only,) = ledger.blocks(Selection(modes=("SIM",)))
    assert only.earned.net == 50


def test_currencies_and_points_are_never_added(ledger: Ledger) -> None:
    """P4: dollars, euros and points of a symbol whose worth is unknown are three blocks."""
    for symbol in (MES, DAX, ODD):
        ledger.fill("11-18 15:00", "+1 @ 100", symbol=symbol)
        ledger.fill("11-18 15:01", "-1 @ 101.5", symbol=symbol)
    euro, dollar, points = ledger.blocks()
    assert (euro.unit.currency, euro.earned.net, dollar.unit.currency, dollar.earned.net) == (
        "EUR",
        Decimal("37.5"),
        "USD",
        Decimal("7.5"),
    )
    assert (points.unit.points_of, points.earned.net, points.earned.gross) == (ODD, None, None)
    assert (points.earned.points, points.figures.expectancy, points.days[0].equity) == (
        Decimal("1.5"),
        Decimal("1.5"),
        Decimal("1.5"),
    )


def test_commission_is_shown_where_known_and_flagged_where_not(ledger: Ledger) -> None:
    """P6: none known: null, and net equals gross; some known: their sum, and how many are missing."""
    ledger.fill("11-18 15:00", "+1 @ 100")
    ledger.fill("11-18 15:01", "-1 @ 101")
    earned = ledger.block().earned
    assert (earned.commission, earned.net, earned.gross, earned.commission_unknown) == (None, 5, 5, 1)
    ledger.fill("11-18 15:02", "+1 @ 100", commission=Decimal("0.62"))
    ledger.fill("11-18 15:03", "-1 @ 101", commission=Decimal("0.62"))
    earned = ledger.block().earned
    assert (earned.commission, earned.net, earned.gross) == (Decimal("1.24"), Decimal("8.76"), 10)
    assert earned.commission_unknown == 1


def test_an_exit_without_a_price_is_counted_and_added_to_nothing(ledger: Ledger) -> None:
    """N13: the trade is left out of every figure; what was realized before stays where it was (P11)."""
    ledger.fill("11-18 15:00", "+1 @ 100")
    ledger.fill("11-18 15:01", "-1 @ 101")
    ledger.fill("11-18 15:02", "+2 @ 100", commission=Decimal(1))
    ledger.fill("11-18 15:03", "-1 @ 104", commission=Decimal(1))
    ledger.fill("11-18 15:04", "-1 @ ?")
    block = ledger.block()
    assert (block.earned.gross, block.earned.exits, block.earned.unknown) == (25, 2, 1)
    assert (block.figures.trades, block.figures.unknown, block.figures.expectancy) == (1, 1, 5)


def test_unrealized_is_in_the_totals_with_its_mark(ledger: Ledger) -> None:
    """P10: at the last marks; the oldest is told, a position without one is counted and left out."""
    ledger.fill("11-18 15:00", "+2 @ 100")
    ledger.fill("11-18 15:01", "-1 @ 101")
    assert ledger.block().unrealized is not None
    assert (ledger.block().unrealized.unmarked, ledger.block().unrealized.amount) == (1, None)  # type: ignore[union-attr]
    ledger.mark("104")
    block = ledger.block()
    found = block.unrealized
    assert found is not None
    assert (found.positions, found.unmarked, found.points, found.amount, found.mark_time) == (1, 0, 4, 20, LATER)
    assert (block.earned.net, block.figures.trades) == (5, 0)
    assert ledger.block(with_open=False).unrealized is None
    ledger.fill("11-18 15:02", "+1 @ 100", account="Sim2")
    assert ledger.block().unrealized.amount == 40  # type: ignore[union-attr]


def test_figures_of_trades(ledger: Ledger) -> None:
    """The definitions, by a series one can add up by hand: +50, +10, -20, -30, 0, +40 dollars, a minute each."""
    for number, points in enumerate(("10", "2", "-4", "-6", "0", "8")):
        ledger.fill(f"11-18 15:{2 * number:02d}", "-1 @ 100")
        ledger.fill(f"11-18 15:{2 * number + 1:02d}", f"+1 @ {100 - Decimal(points)}")
    figures = ledger.block().figures
    assert (figures.trades, figures.wins, figures.losses, figures.scratches) == (6, 3, 2, 1)
    assert (figures.hit_rate, figures.profit_factor) == (Decimal("0.5"), 2)
    assert (figures.expectancy, figures.average_win) == (Decimal("8.3333333333"), Decimal("33.3333333333"))
    assert (figures.average_loss, figures.best, figures.worst) == (-25, 50, -30)
    assert (figures.longest_win_streak, figures.longest_loss_streak, figures.current_streak) == (2, 2, 1)
    assert (figures.max_drawdown, figures.max_runup, figures.average_time_s) == (-50, 60, 60)
    # MAE of the losers is what they lost at the exit, MFE of the winners what they won; all are without a stop.
    assert (figures.average_mae, figures.average_mfe) == (Decimal("-8.3333333333"), Decimal("16.6666666667"))
    assert (figures.average_efficiency, figures.average_r, figures.trades_with_r) == (1, None, 0)


def test_average_r_is_over_the_trades_that_had_a_stop(ledger: Ledger) -> None:
    """P8: net over the initial risk, in money."""
    for number, (points, risk) in enumerate((("4", "2"), ("-1", "2"), ("7", None))):
        start = f"11-18 15:{number:02d}"
        ledger.fill(f"{start}:00", "+1 @ 100")
        if risk is not None:
            ((key, _),) = ledger.repository.positions().items()
            with ledger.repository.transaction():
                ledger.repository.set_initial_risk(key, Decimal(risk))
        ledger.fill(f"{start}:30", f"-1 @ {100 + Decimal(points)}")
    figures = ledger.block().figures
    assert (figures.average_r, figures.trades_with_r) == (Decimal("0.75"), 2)


def test_pairing_tells_the_same_total_apart(ledger: Ledger) -> None:
    """P13: first in first out and at the average: other trades and days, the same sum of realized and unrealized."""
    ledger.fill("11-18 15:00", "+1 @ 100")
    ledger.fill("11-18 16:00", "+1 @ 104")
    ledger.fill("11-19 15:00", "-1 @ 110")
    ledger.mark("105")
    found = {method: ledger.block(method=method) for method in (None, *Method)}
    realized = {method: block.earned.net for method, block in found.items()}
    assert realized == {None: 40, Method.FIFO: 50, Method.LIFO: 30, Method.AVERAGE: 40}
    for block in found.values():
        assert block.unrealized is not None
        assert block.unrealized.amount is not None
        assert block.earned.net is not None
        assert block.earned.net + block.unrealized.amount == 55
    assert {method: block.figures.trades for method, block in found.items()} == {None: 0, **dict.fromkeys(Method, 1)}
    ledger.fill("11-20 15:00", "-1 @ 100")
    closed = {method: ledger.block(method=method) for method in (None, *Method)}
    assert {block.earned.net for block in closed.values()} == {30}
    assert days(closed[None]) == days(closed[Method.AVERAGE]) == {"2026-11-19": 40, "2026-11-20": -10}
    assert days(closed[Method.FIFO]) == {"2026-11-19": 50, "2026-11-20": -20}
    assert [closed[method].figures.trades for method in (None, Method.FIFO)] == [1, 2]


def test_another_trading_day(ledger: Ledger) -> None:
    """P10: a day may begin at midnight in another zone."""
    ledger.fill("11-18 22:30", "+1 @ 100")
    ledger.fill("11-18 23:30", "-1 @ 101")
    berlin = TradingDay(timezone="Europe/Berlin", start=time(0))
    assert list(days(ledger.block(trading_day=berlin))) == ["2026-11-19"]


def test_a_part_of_a_stretch_ends_where_memory_says(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trade of any number of fills is read in parts, and adds up the same."""
    for number in range(40):
        ledger.fill(f"11-18 15:{number:02d}", f"+1 @ {100 + number}")
    for number in range(40):
        ledger.fill(f"11-{19 + number // 20} 16:{number:02d}", f"-1 @ {200 - number}")
    whole = ledger.blocks(method=Method.FIFO)
    ends = "SELECT time FROM fill WHERE account = ? AND symbol = ? AND time >= ? AND time < ? ORDER BY time LIMIT 1"
    monkeypatch.setattr("dtcpos.store.exits._PART_ENDS", f"{ends} OFFSET 3")
    assert ledger.blocks(method=Method.FIFO) == whole
    assert sum(part.earned.points or 0 for part in whole[0].days) == sum(200 - n - 100 - n for n in range(40))


steps = st.lists(
    st.tuples(
        st.sampled_from(["Sim1", "120005"]),
        st.sampled_from("+-"),
        st.integers(1, 3),
        st.integers(0, 40),
        st.sampled_from([0, 1, 3600, 30_000]),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=30)
@given(steps=steps, commission=st.sampled_from([None, Decimal("0.62")]))
def test_the_parts_add_up_and_agree_with_a_replay(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, str, int, int, int]],
    commission: Decimal | None,
) -> None:
    """P2, P11: days, weeks, months, symbols and accounts each add up to the total, which is what booking realized."""
    ledger = Ledger(tmp_path_factory.mktemp("stats") / "ledger.db")
    try:
        booked, now = _book(ledger, steps, commission)
        for account, mode in (("Sim1", "SIM"), ("120005", "LIVE")):
            again = replay(ledger.posting.key_of(account, MES), [fill for fill in booked if fill.account == account])
            if not again.bookings:
                continue
            expected = sum(
                (trade.realized or Decimal(0) for trade in again.trades), again.position.realized or Decimal(0)
            )
            for method in (None, Method.AVERAGE):
                (block,) = ledger.blocks(Selection(modes=(mode,)), method=method)
                assert block.earned.points == expected
            for parts in (block.days, block.weeks, block.months, block.symbols, block.accounts):
                assert sum(part.earned.points or 0 for part in parts) == expected
                assert sum(part.earned.trades for part in parts) == block.figures.trades
        _assert_cuts_add_up(ledger, now)
    finally:
        ledger.repository.close()


def _book(
    ledger: Ledger, steps: list[tuple[str, str, int, int, int]], commission: Decimal | None
) -> tuple[list[Fill], datetime]:
    now = moment("11-16 12:00")
    booked: list[Fill] = []
    for number, (account, sign, quantity, price, pause) in enumerate(steps, 1):
        now += timedelta(seconds=pause, milliseconds=100)
        text = f"{sign}{quantity} @ {price}"
        fill = fill_of(number, f"{now:%m-%d %H:%M:%S.%f}", text, MES, account, commission=commission)
        with ledger.repository.transaction():
            ledger.posting.post_live([fill], now=LATER)
    for account in ("Sim1", "120005"):
        booked += ledger.repository.fills_of_key(account, MES)
    return booked, now


def _assert_cuts_add_up(ledger: Ledger, end: datetime) -> None:
    # Any cut through time: what was realized before it and what after it is what was realized.
    start = moment("11-16 12:00")
    cut = start + (end - start) / 2
    for method in (None, Method.FIFO):
        whole = {block.mode: block.earned.points for block in ledger.blocks(method=method)}
        parts: dict[str, Decimal] = dict.fromkeys(whole, Decimal(0))
        for selection in (Selection(until=cut), Selection(since=cut)):
            for block in ledger.blocks(selection, method=method):
                parts[block.mode] += block.earned.points or 0
        assert parts == whole


@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)))  # noqa: DTZ001
def test_the_calendar_is_the_trading_day(naive: datetime) -> None:
    """P10: remembering the last day changes no answer."""
    calendar = Calendar(CHICAGO)
    for hours in (0, 5, 30, -3):
        at = naive.replace(tzinfo=UTC) + timedelta(hours=hours)
        assert calendar.day_of(at) == CHICAGO.day_of(at)
        assert calendar.is_one_day(at - timedelta(hours=2), at) == (
            CHICAGO.day_of(at) == CHICAGO.day_of(at - timedelta(hours=2))
        )


def _peak_of(path: Path, count: int) -> int:
    """Return the most memory the statistics of so many trades of ten days take, in bytes."""
    key = PositionKey("SIM", "Sim1", MES)
    with PositionRepository.open(path) as repository, repository.transaction():
        for number in range(count):
            entered = moment("11-09 12:00") + timedelta(days=10) * number / count
            repository.add_trades([trade(2 * number + 1, entered, key)])
    tracemalloc.start()
    try:
        with ExitReader.open(path) as reader:
            assert sum(block.figures.trades for block in performance(reader, Selection(), trading_day=CHICAGO)) == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def trade(opened_by: int, entered: datetime, key: PositionKey) -> Trade:
    return Trade(
        key=key, direction=Direction.LONG, quantity=Decimal(1), total_quantity=Decimal(1), entry_time=entered,
        exit_time=entered + timedelta(seconds=9), opened_notional=Decimal(100), closed_notional=Decimal(101),
        realized=Decimal(1), commission=None, price_min=None, price_max=None, mae=Decimal(0), mfe=Decimal(1), fills=2,
        opened_by=opened_by, closed_by=opened_by + 1,
    )  # fmt: skip


def test_memory_grows_with_days_and_not_with_trades(tmp_path: Path) -> None:
    """Ten times the trades of the same ten days take the same memory."""
    _peak_of(tmp_path / "warm.db", 10)
    few, many = _peak_of(tmp_path / "few.db", 500), _peak_of(tmp_path / "many.db", 5000)
    assert many < few * 1.5
