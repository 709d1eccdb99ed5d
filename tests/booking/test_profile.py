"""A session's average price, delta and point of control."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dtcpos.booking import profile
from dtcpos.model import Snapshot

D = Decimal


def of(text: str, at_bid: int = 0, at_ask: int = 0) -> Snapshot:
    """Read `5000 x 2, 5000.25 x 1` as what traded."""
    pairs = (each.split(" x ") for each in text.split(", "))
    return profile({D(price): D(volume) for price, volume in pairs}, at_bid=D(at_bid), at_ask=D(at_ask))


def test_three_prices_by_hand() -> None:
    """(2 x 5000 + 1 x 5000.25 + 5 x 5000.5) / 8 = 40002.75 / 8 = 5000.34375; 3 sold, 5 bought."""
    assert of("5000 x 2, 5000.25 x 1, 5000.5 x 5", 3, 5) == Snapshot(
        vwap=D("5000.34375"), cum_delta=D(2), poc=D("5000.5")
    )


@pytest.mark.parametrize(
    ("text", "poc"),
    [
        ("1 x 5, 2 x 4, 3 x 5, 5 x 1", "3"),  # middle 3
        ("1 x 5, 2 x 1, 3 x 5", "1"),  # both one away from 2: the lower
        ("-37.63 x 2, -37.62 x 1", "-37.63"),
        ("0 x 3", "0"),
    ],
)
def test_of_several_busiest_prices_the_one_nearest_the_middle(text: str, poc: str) -> None:
    """P3: a price of zero or less is a price like any other; a tie has one answer."""
    assert of(text).poc == D(poc)


def test_an_average_that_does_not_terminate_is_rounded_half_even() -> None:
    """P3: (1.08455 + 2 x 1.0846) / 3 = 1.08458333... to 10 decimals."""
    assert of("1.08455 x 1, 1.0846 x 2").vwap == D("1.0845833333")


def test_what_nobody_stated_is_not_known() -> None:
    """Null, never a guess: no volume at all, or no trade whose side was stated."""
    assert profile({}, at_bid=D(0), at_ask=D(0)) == Snapshot()
    assert of("5000 x 2").cum_delta is None
    assert of("5000 x 2", 1, 1).cum_delta == 0
    assert of("5000 x 2", 2).cum_delta == -2
