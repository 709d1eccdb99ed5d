"""Marks: excursions over the life of a position, and the band in which a tick has nothing to teach."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dtcpos.booking import flat, fold, mark, quiet_band, unrealized, widened
from dtcpos.model import Position
from tests.notation import KEY, fill, fills

D = Decimal


def held(text: str) -> Position:
    return fold(flat(KEY), fills(text))[-1].after


def test_scaling_in_does_not_apply_old_lows_to_new_lots() -> None:
    """P7: long 1 @5000, low 4990, add 2 @4992, high 5010: the worst is -10 points, not -14."""
    position = mark(held("+1 @ 5000"), D(4990))  # -10
    position = fold(position, [fill("+2 @ 4992", 5)])[-1].after  # at 4992: -8
    position = mark(position, D(5010))  # 10 + 2 x 18 = 46
    assert (position.mae, position.mfe) == (D(-10), D(46))
    assert (position.price_min, position.price_max) == (D(4990), D(5010))


def test_scaling_out_keeps_what_was_realized() -> None:
    """P7: long 2 @5000, one out at 5010, then low 4980: the worst is -10 points, not -40."""
    position = mark(held("+2 @ 5000, -1 @ 5010"), D(4980))
    assert position.mae == D(-10)


def test_unrealized_is_signed_and_unknown_where_the_cost_is() -> None:
    """P10: quantity times price minus cost."""
    assert unrealized(held("-2 @ 5000"), D(4990)) == 20
    assert unrealized(held("+1 @ ?"), D(4990)) is None


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(["+1 @ 5000", "-1 @ 5000", "+2 @ 5000, -1 @ 5010", "+1 @ 5000, +2 @ 4992", "-3 @ 1.08455"]),
    st.lists(st.decimals(min_value=-50, max_value=50, places=5), max_size=5),
    st.decimals(min_value=-60, max_value=60, places=5),
)
def test_nothing_inside_the_band_changes_anything(text: str, walk: list[Decimal], step: Decimal) -> None:
    """F3: a tick the band lets pass unseen is one `mark` would not have learned from."""
    position = held(text)
    entry = position.price_min
    assert entry is not None
    for each in walk:
        position = mark(position, entry + each)
    low, high = quiet_band(position)
    price = entry + step
    assume(low <= float(price) <= high)
    assert mark(position, price) is position


def test_the_servers_extremes_widen_and_never_narrow() -> None:
    """P7: price extremes always; profit excursions only where the quantity has not changed since entry."""
    alone = widened(held("+2 @ 5000"), D(4990), D(5003))
    assert (alone.price_min, alone.price_max, alone.mae, alone.mfe) == (D(4990), D(5003), D(-20), D(6))
    assert widened(alone, D(4995), D(5001)) is alone
    scaled = widened(held("+1 @ 5000, +1 @ 5002"), D(4990), None)
    assert (scaled.price_min, scaled.price_max, scaled.mae) == (D(4990), D(5002), D(0))


def test_a_short_that_scales_in_and_out() -> None:
    """P7: short 1 @5000, high 5008 (-8), add 1 @5006 (-6 there), low 4994, one out at 4996, high 5012.

    Sold 10006 in all. At 4994: 10006 - 2 x 4994 = 18, the best. After buying one back at 4996 the rest is worth
    10006 - 4996 - price: at 5012 that is -2, so the worst stays the -8 of the first high, met by one lot only.
    """
    position = mark(held("-1 @ 5000"), D(5008))
    position = fold(position, [fill("-1 @ 5006", 5)])[-1].after
    position = mark(position, D(4994))
    position = fold(position, [fill("+1 @ 4996", 6)])[-1].after
    position = mark(position, D(5012))
    assert (position.mae, position.mfe) == (D(-8), D(18))
    assert (position.price_min, position.price_max) == (D(4994), D(5012))


def test_a_flip_starts_the_excursions_anew() -> None:
    """P7: long 1 @5000, low 4990, sell 3 @5004: the trade lived between -10 and 4; the short starts at nothing.

    Then high 5010: two lots short at 5004 are worth -12.
    """
    position = mark(held("+1 @ 5000"), D(4990))
    flipped = fold(position, [fill("-3 @ 5004", 5)])[-1]
    assert flipped.trade is not None
    assert (flipped.trade.mae, flipped.trade.mfe) == (D(-10), D(4))
    assert (flipped.after.mae, flipped.after.mfe) == (D(0), D(0))
    assert mark(flipped.after, D(5010)).mae == D(-12)
