"""Lots paired first in first out, last in first out, and at the average."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtcpos.booking import flat, fold, unrealized
from dtcpos.booking.pairing import Inventory, Method, Pair, open_points, pair_up
from dtcpos.model import Direction, Fill, PositionKey, Side

KEY = PositionKey("SIM", "Sim1", "MESZ26-CME")
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
METHODS = list(Method)


def fills(*texts: str, commission: str | None = None) -> list[Fill]:
    """Read `+2 @ 5050.25` as fills one after another, `?` as a price nobody knows."""
    return [_fill(number, text, commission) for number, text in enumerate(texts, 1)]


def _fill(number: int, text: str, commission: str | None) -> Fill:
    quantity, _, price = text.partition(" @ ")
    return Fill(
        id=number,
        account=KEY.account,
        symbol=KEY.symbol,
        side=Side.BUY if quantity[0] == "+" else Side.SELL,
        quantity=Decimal(quantity[1:]),
        price=None if price == "?" else Decimal(price),
        time=NOON + timedelta(minutes=number),
        commission=None if commission is None else Decimal(commission),
    )


def words(pair: Pair) -> str:
    points = "?" if pair.points is None else f"{int(pair.points):+d}"
    return f"{pair.direction} {pair.quantity:f} {pair.entry_time - NOON} to {pair.exit_time - NOON} {points}"


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (Method.FIFO, ["LONG 1 0:01:00 to 0:03:00 +10", "LONG 1 0:02:00 to 0:04:00 -4"]),
        (Method.LIFO, ["LONG 1 0:02:00 to 0:03:00 +6", "LONG 1 0:01:00 to 0:04:00 +0"]),
        (Method.AVERAGE, ["LONG 1 0:01:00 to 0:03:00 +8", "LONG 1 0:01:00 to 0:04:00 -2"]),
    ],
)
def test_which_lots_an_exit_takes(method: Method, expected: list[str]) -> None:
    """P13: bought at 100 and 104, sold at 110 and 100: 6 points in all, told apart by the method."""
    found = pair_up(Inventory(method=method), fills("+1 @ 100", "+1 @ 104", "-1 @ 110", "-1 @ 100"))
    assert [words(pair) for pair in found.pairs] == expected
    assert found.after == Inventory(method=method)


def test_one_exit_over_several_lots_makes_a_pair_of_each() -> None:
    """P13: and the commission of both sides goes with the lots, exactly."""
    found = pair_up(Inventory(method=Method.FIFO), fills("-1 @ 100", "-2 @ 101", "+3 @ 99", commission="1"))
    assert [words(pair) for pair in found.pairs] == [
        "SHORT 1 0:01:00 to 0:03:00 +1",
        "SHORT 2 0:02:00 to 0:03:00 +4",
    ]
    assert [pair.commission for pair in found.pairs] == [Decimal("1.333333333"), Decimal("1.666666667")]
    assert [(pair.entry_notional, pair.exit_notional) for pair in found.pairs] == [(100, 99), (202, 198)]


def test_a_fill_through_zero_closes_everything_and_opens_the_rest() -> None:
    """P1: its commission is split as in booking, and what it opens is a position of its own."""
    found = pair_up(Inventory(method=Method.FIFO), fills("+1 @ 100", "-3 @ 102", commission="3"))
    assert [(pair.points, pair.commission, pair.opened_by, pair.closed_by) for pair in found.pairs] == [(2, 4, 1, 2)]
    assert found.after.signed_quantity == -2
    assert found.after.cost == -204
    assert found.after.opened_by == 2
    assert found.after.lots[0].commission == 2


def test_a_price_nobody_knows_is_unknown_for_its_own_lots_only() -> None:
    """N13: the pair that needs it has no points, the other has."""
    found = pair_up(Inventory(method=Method.FIFO), fills("+1 @ 100", "+1 @ ?", "-1 @ 101"))
    assert [pair.points for pair in found.pairs] == [1]
    assert found.after.cost is None
    assert open_points(found.after, Decimal(102)) is None
    rest = pair_up(found.after, fills("-1 @ 103"))
    assert [pair.points for pair in rest.pairs] == [None]


quantities = st.one_of(st.integers(1, 5).map(Decimal), st.integers(1, 4000).map(lambda n: Decimal(n) / 1000))
prices = st.integers(-400, 40_000).map(lambda ticks: Decimal(ticks) / 4)


@st.composite
def histories(draw: st.DrawFn) -> list[Fill]:
    steps = draw(st.lists(st.tuples(st.sampled_from("+-"), quantities, prices), min_size=1, max_size=25))
    charge = draw(st.sampled_from([None, "0.62", "1"]))
    return fills(*(f"{sign}{quantity:f} @ {price:f}" for sign, quantity, price in steps), commission=charge)


@pytest.mark.parametrize("method", METHODS)
@given(history=histories(), price=prices)
def test_the_same_realized_plus_unrealized_at_all_times(method: Method, history: list[Fill], price: Decimal) -> None:
    """P13: whatever is paired with what, the sum is what the position says, with ==, after every fill."""
    inventory, realized, ledger_realized = Inventory(method=method), Decimal(0), Decimal(0)
    for fill, booking in zip(history, fold(flat(KEY), history), strict=True):
        step = pair_up(inventory, [fill])
        inventory = step.after
        realized += sum((pair.points or Decimal(0) for pair in step.pairs), Decimal(0))
        if booking.trade is not None:
            assert booking.trade.realized is not None
            ledger_realized += booking.trade.realized
        assert inventory.signed_quantity == booking.after.signed_quantity
        opened, held = open_points(inventory, price), unrealized(booking.after, price)
        assert opened is not None
        assert held is not None
        assert booking.after.realized is not None
        assert realized + opened == ledger_realized + booking.after.realized + held


@pytest.mark.parametrize("method", METHODS)
@given(history=histories())
def test_the_same_total_when_flat(method: Method, history: list[Fill]) -> None:
    """P13: the pairs of each trade add up to it in points, in commission and in quantity."""
    trades = [booking.trade for booking in fold(flat(KEY), history) if booking.trade is not None]
    pairs = pair_up(Inventory(method=method), history).pairs
    for trade in trades:
        own = [pair for pair in pairs if pair.opened_by == trade.opened_by]
        assert {pair.direction for pair in own} == {Direction(trade.direction)}
        assert sum(pair.quantity for pair in own) == trade.total_quantity
        assert sum(pair.points or 0 for pair in own) == trade.realized
        if trade.commission is None:
            assert {pair.commission for pair in own} == {None}
        else:
            assert sum(pair.commission or 0 for pair in own) == trade.commission
    assert len([pair for pair in pairs if pair.opened_by in {trade.opened_by for trade in trades}]) >= len(trades)


@given(history=histories())
def test_at_the_average_every_exit_realizes_what_booking_does(history: list[Fill]) -> None:
    """P11: so what a day realized can be told from the fills alone, also while the position is open."""
    inventory = Inventory(method=Method.AVERAGE)
    for fill, booking in zip(history, fold(flat(KEY), history), strict=True):
        step = pair_up(inventory, [fill])
        inventory = step.after
        after = booking.trade.realized if booking.trade is not None else booking.after.realized
        assert after is not None
        assert booking.before.realized is not None
        assert sum((pair.points or Decimal(0) for pair in step.pairs), Decimal(0)) == after - booking.before.realized
        assert (inventory.cost or 0) == booking.after.cost


@pytest.mark.parametrize("method", METHODS)
@given(history=histories(), cut=st.integers(0, 25))
def test_pairing_may_stop_and_go_on_anywhere(method: Method, history: list[Fill], cut: int) -> None:
    """A long history can be read in parts."""
    whole = pair_up(Inventory(method=method), history)
    first = pair_up(Inventory(method=method), history[:cut])
    second = pair_up(first.after, history[cut:])
    assert first.pairs + second.pairs == whole.pairs
    assert second.after == whole.after
