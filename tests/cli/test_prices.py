"""Prices as people in each market write them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dtcpos.cli.prices import price_text
from dtcpos.model import Instrument


@pytest.mark.parametrize(
    ("form", "price", "text"),
    [
        (2, "5050.25", "5050.25"),
        (2, "5050", "5050.00"),
        (2, "5050.125", "5050.125"),
        (0, "25310", "25310"),
        (5, "1.08455", "1.08455"),
        (2, "-37.63", "-37.63"),
        (132, "118.03125", "118'01"),
        (132, "118", "118'00"),
        (134, "118.515625", "118'165"),
        (134, "118.5", "118'160"),
        (136, "110.5078125", "110'162"),
        (136, "110.5234375", "110'167"),
        (140, "103.12890625", "103'041"),
        (164, "118.515625", "118'33"),
        (228, "118.0078125", "118'001"),
        (132, "118.04", "118.04"),
        (132, "-0.5", "-0'16"),
        (-1, "5050.25", "5050.25"),
        (None, "5050.25", "5050.25"),
    ],
)
def test_prices_in_the_form_of_their_market(form: int | None, price: str, text: str) -> None:
    """P4: decimals and fractions for people; what is not on the grid is never rounded onto it."""
    assert price_text(Decimal(price), Instrument(symbol="X", price_format=form)) == text


def test_no_price_is_a_dash_and_no_instrument_decimals() -> None:
    """P4: nothing is guessed."""
    assert price_text(None, None) == "-"
    assert price_text(Decimal("118.03125"), None) == "118.03125"
