"""Adjustments: what is carried in at first contact, and closing entries."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.booking import average_price, carried_in, close_out, flat, fold, replay
from dtcpos.model import ReportedPosition, Side, Source
from tests.notation import KEY, at, fill, fills

D = Decimal


def reported(quantity: str, average: str | None) -> ReportedPosition:
    return ReportedPosition(
        account=KEY.account,
        symbol=KEY.symbol,
        signed_quantity=D(quantity),
        average_price=None if average is None else D(average),
    )


def test_history_that_explains_everything_carries_nothing() -> None:
    """N9: the snapshot equals the window's fills, so there is nothing to add."""
    assert carried_in(reported("1", "5050.25"), fills("+1 @ 5050.25"), now=at(99)) is None


def test_without_history_the_snapshot_is_taken_over_whole() -> None:
    """N9: at the server's quantity and average, flagged."""
    carried = carried_in(reported("-2", "18200.25"), [], now=at(99))
    assert carried is not None
    assert (carried.side, carried.quantity, carried.price) == (Side.SELL, D(2), D("18200.25"))
    assert (carried.source, carried.flags, carried.time) == (Source.ADJUSTMENT, ("carried",), at(99))


def test_a_position_flat_inside_the_window_is_carried_without_a_price() -> None:
    """N9: never an invented profit: -1 before the window, bought back inside it, one more bought."""
    history = fills("+1 @ 5000, +1 @ 5010")
    carried = carried_in(reported("1", "5010"), history, now=at(99))
    assert carried is not None
    assert (carried.signed_quantity, carried.price) == (D(-1), None)
    after = replay(KEY, [carried, *history])
    assert after.position.cost == 5010
    assert [trade.realized for trade in after.trades] == [None]


def test_making_it_twice_makes_the_same_one() -> None:
    """N2: synthetic ids are functions of what they stand for."""
    twice = [carried_in(reported("3", "5040"), fills("+1 @ 5050"), now=at(second)) for second in (50, 60)]
    assert twice[0] is not None
    assert twice[1] is not None
    assert twice[0].execution_id == twice[1].execution_id


@settings(deadline=None)
@given(
    before=st.integers(3, 9),
    price=st.decimals(min_value=1, max_value=9000, places=2),
    window=st.lists(st.tuples(st.sampled_from("+-"), st.decimals(min_value=1, max_value=9000, places=2)), max_size=2),
)
def test_the_price_carried_makes_our_average_the_servers(
    before: int, price: Decimal, window: list[tuple[str, Decimal]]
) -> None:
    """N9: what is unknown is solved from the server's average, as long as the position was never flat."""
    known = [fill(f"{sign}1 @ {at_price}", second) for second, (sign, at_price) in enumerate(window)]
    truth = fold(flat(KEY), [fill(f"+{before} @ {price}", -9), *known])[-1].after
    average = average_price(truth)
    assert average is not None
    carried = carried_in(reported(str(truth.signed_quantity), str(average)), known, now=at(99))
    assert carried is not None
    assert carried.quantity == before
    ours = average_price(replay(KEY, [carried, *known]).position)
    assert ours is not None
    assert abs(ours - average) < D("1e-8")


@pytest.mark.parametrize(("price", "realized"), [(D(5010), D(10)), (None, None)])
def test_a_closing_entry_ends_the_position(price: Decimal | None, realized: Decimal | None) -> None:
    """N13: at a price the profit is known, without one it is not."""
    held = fold(flat(KEY), fills("+1 @ 5000"))[-1].after
    closing = close_out(held, price=price, time=at(9), reason="closed on the phone")
    last = fold(held, [closing])[-1]
    assert last.after == flat(KEY)
    assert last.trade is not None
    assert last.trade.realized == realized
