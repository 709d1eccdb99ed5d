"""Booking: every cell of the table, exact sums, prices nobody knows."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.booking import book, classify, flat, fold, split_commission
from dtcpos.model import Action, Direction, Fill, Position, Side, Trade
from tests.notation import KEY, fill, fills

D = Decimal


def booked(text: str) -> tuple[Position, list[Trade]]:
    bookings = fold(flat(KEY), fills(text))
    return bookings[-1].after, [booking.trade for booking in bookings if booking.trade is not None]


def cash_of(history: list[Fill]) -> Decimal:
    return sum((-each.signed_quantity * each.price for each in history if each.price is not None), D(0))


@pytest.mark.parametrize(
    ("held", "signed", "action"),
    [
        (0, 1, Action.OPENED),
        (0, -1, Action.OPENED),
        (2, 1, Action.INCREASED),
        (-2, -1, Action.INCREASED),
        (2, -1, Action.REDUCED),
        (-2, 1, Action.REDUCED),
        (2, -2, Action.CLOSED),
        (-2, 2, Action.CLOSED),
        (2, -3, Action.REVERSED),
        (-2, 3, Action.REVERSED),
    ],
)
def test_every_cell_of_the_table(held: int, signed: int, action: Action) -> None:
    """P1: what a fill does depends on the signs and on nothing else."""
    assert classify(D(held), D(signed)) is action


def test_scaling_in_keeps_the_sum_and_not_a_rounded_average() -> None:
    """P1: partial fills add up."""
    position, _ = booked("+1 @ 5050.25, +2 @ 5050.5")
    assert (position.signed_quantity, position.cost) == (D(3), D("15151.25"))
    assert position.peak_quantity == 3


def test_scaling_out_realizes_at_the_average() -> None:
    """P1: a partial exit earns its share and leaves the rest at the same average."""
    position, trades = booked("+2 @ 5000, -1 @ 5010")
    assert (position.signed_quantity, position.cost, position.realized) == (D(1), D(5000), D(10))
    assert trades == []


def test_a_close_is_one_trade_and_nothing_held() -> None:
    """P1: flat to flat is the trade."""
    position, (trade,) = booked("+1 @ 5000, +1 @ 5002, -2 @ 5010")
    assert position == flat(KEY)
    assert (trade.direction, trade.quantity, trade.total_quantity) == (Direction.LONG, D(2), D(2))
    assert trade.realized == D(18)
    assert trade.fills == 3


def test_a_flip_is_one_fill_one_trade_and_one_new_position() -> None:
    """P1: a flip through zero closes at its price and opens the rest at the same price."""
    history = fills("+1 @ 5000, -3 @ 5010")
    last = fold(flat(KEY), history)[-1]
    assert last.action is Action.REVERSED
    assert last.trade is not None
    assert last.trade.realized == D(10)
    assert (last.after.signed_quantity, last.after.cost) == (D(-2), D(-10020))
    assert (last.trade.closed_by, last.after.opened_by) == (history[1].id, history[1].id)


def test_a_flip_splits_its_commission_exactly() -> None:
    """P1: the closing share to 9 decimals half-even, the rest to the new position; both add up to the whole."""
    opened = book(flat(KEY), fill("+1 @ 5000", 0, commission=D("0.62")))
    flipped = book(opened.after, fill("-3 @ 5010", 1, commission=D("1")))
    assert flipped.trade is not None
    assert flipped.trade.commission == D("0.62") + D("0.333333333")
    assert flipped.after.commission == D("0.666666667")
    assert split_commission(None, D(1), D(3)) == (None, None)


def test_a_trade_of_no_duration_is_a_trade() -> None:
    """P1: in and out at the same instant counts."""
    bookings = fold(flat(KEY), [fill("+1 @ 5000", 7), fill("-1 @ 5000", 7)])
    trade = bookings[-1].trade
    assert trade is not None
    assert trade.entry_time == trade.exit_time


@pytest.mark.parametrize(
    "price", ["0", "110.515625", "1.08455", "-37.63", "5050.25", "0.00000001", "118.015625", "91234.5"]
)
def test_prices_survive_exactly(price: str) -> None:
    """P3: zero and negative prices are prices, and no digit is lost."""
    position, _ = booked(f"+0.001 @ {price}, +0.001 @ {price}")
    assert position.cost == D("0.002") * D(price)
    closed, (trade,) = booked(f"+0.003 @ {price}, -0.003 @ {price}")
    assert trade.realized == 0
    assert closed.cost == 0


def test_averages_that_do_not_terminate_do_not_drift() -> None:
    """P3: three fills closed in seven parts leave a cost of exactly zero and the whole profit."""
    exits = ", ".join(f"-1 @ {5010 + number}" for number in range(7))
    history = fills(f"+3 @ 5000.25, +2 @ 5001, +2 @ 5003.5, {exits}")
    bookings = fold(flat(KEY), history)
    trade = bookings[-1].trade
    assert trade is not None
    assert bookings[-1].after == flat(KEY)
    assert trade.realized == cash_of(history)


def test_a_price_nobody_knows_makes_the_profit_unknown_and_not_zero() -> None:
    """N13: lots without a price have no profit, and the next position starts clean."""
    position, (trade,) = booked("+1 @ ?, -1 @ 5010, +1 @ 5000")
    assert trade.realized is None
    assert "entry_unknown" in trade.flags
    assert (position.cost, position.realized) == (D(5000), D(0))
    _, (trade,) = booked("+1 @ 5000, -1 @ ?")
    assert trade.realized is None
    assert "exit_unknown" in trade.flags


def test_excursions_include_what_was_realized() -> None:
    """P7: long 2 @5000, one out at 5010, then 4980: the worst is -10 points (it had realized +10), not -40."""
    position, _ = booked("+2 @ 5000, -1 @ 5010")
    last = book(position, fill("-1 @ 4980", 9))
    assert last.trade is not None
    # 10 realized, then 4980 - 5000 = -20 on the lot left: -10 in all. At 5010 both lots had earned 10.
    assert (last.trade.mae, last.trade.mfe) == (D(-10), D(20))


quantities = st.decimals(min_value=D("0.001"), max_value=D(50), places=3)
prices = st.decimals(min_value=D(-100), max_value=D(30000), places=6)
histories = st.lists(st.tuples(st.sampled_from(list(Side)), quantities, prices), min_size=1, max_size=25)


def history_of(rows: list[tuple[Side, Decimal, Decimal]]) -> list[Fill]:
    return [
        fill(f"{'+' if side is Side.BUY else '-'}{quantity:f} @ {price:f}", number)
        for number, (side, quantity, price) in enumerate(rows)
    ]


@settings(deadline=None)
@given(histories)
def test_cash_is_accounted_for_after_every_fill(rows: list[tuple[Side, Decimal, Decimal]]) -> None:
    """P2: realized minus cost equals the cash moved, with ==, after every fill."""
    history = history_of(rows)
    booked_so_far = D(0)
    for number, booking in enumerate(fold(flat(KEY), history), start=1):
        if booking.trade is not None:
            assert booking.trade.realized is not None
            booked_so_far += booking.trade.realized
        after = booking.after
        assert after.realized is not None
        assert after.cost is not None
        assert booked_so_far + after.realized - after.cost == cash_of(history[:number])
        assert not after.is_flat or after == flat(KEY)


@settings(deadline=None)
@given(histories, st.decimals(min_value=0, max_value=20000, places=2))
def test_mirroring_negates_every_profit(rows: list[tuple[Side, Decimal, Decimal]], around: Decimal) -> None:
    """P2: turning every side around, or every price around a constant, negates every profit exactly."""

    def profits(history: list[Fill]) -> list[Decimal | None]:
        return [booking.trade.realized for booking in fold(flat(KEY), history) if booking.trade is not None]

    other = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}
    straight = profits(history_of(rows))
    negated = [None if profit is None else -profit for profit in straight]
    assert profits(history_of([(other[side], quantity, price) for side, quantity, price in rows])) == negated
    assert profits(history_of([(side, quantity, 2 * around - price) for side, quantity, price in rows])) == negated
