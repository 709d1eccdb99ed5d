"""Display prices and known commissions, and excursions of which only the least is in the ledger."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dtcpos.booking import mark, replay
from dtcpos.booking.excursions import too_narrow, widest
from dtcpos.booking.pricing import priced, wire_price
from dtcpos.model import Instrument
from tests.notation import KEY, fill, fills


def test_a_multiplier_makes_the_display_price() -> None:
    """P5: the ledger keeps the wire's price, booking sees the one people write."""
    sent = fill("+2 @ 505025")
    scaled = Instrument(symbol=KEY.symbol, multiplier=Decimal("0.01"))
    assert priced(sent, scaled).price == Decimal("5050.25")
    assert priced(sent._replace(price=None), scaled).price is None


def test_commission_is_what_the_fill_says_else_what_the_symbol_costs() -> None:
    """P6: per contract and side, and never over a stated one."""
    known = Instrument(symbol=KEY.symbol, commission=Decimal("0.62"))
    assert priced(fill("+3 @ 5000"), known).commission == Decimal("1.86")
    stated = fill("+3 @ 5000", commission=Decimal(1))
    assert priced(stated, known) is stated


@pytest.mark.parametrize("instrument", [None, Instrument(symbol=KEY.symbol)])
def test_nothing_known_changes_nothing(instrument: Instrument | None) -> None:
    """P5: without a multiplier or a commission the same fill comes back."""
    sent = fill("+1 @ 5000")
    assert priced(sent, instrument) is sent


def test_market_prices_widen_and_never_narrow() -> None:
    """P7: a replay knows the least; what the market showed beyond it is kept."""
    least = replay(KEY, fills("+1 @ 5000, +1 @ 4990")).position
    wider = mark(mark(least, Decimal(4980)), Decimal(5030))
    assert not too_narrow(wider, least)
    assert sorted(too_narrow(least, wider)) == ["mae", "mfe", "price_max", "price_min"]
    assert widest(wider, least) == wider
    assert widest(least, wider) == wider
    narrow = wider._replace(mae=Decimal(0))
    assert too_narrow(narrow, least) == ["mae"]
    assert widest(narrow, least) == wider._replace(mae=least.mae)


def test_unknown_excursions_are_no_number() -> None:
    """N13: a trade without a profit has no MAE; one that has a profit has one."""
    (known,) = replay(KEY, fills("+1 @ 5000, -1 @ 4990")).trades
    (unknown,) = replay(KEY, fills("+1 @ 5000, -1 @ ?")).trades
    assert {"mae", "mfe"} <= set(too_narrow(known._replace(mae=None, mfe=None), known))
    assert {"mae", "mfe"} <= set(too_narrow(unknown._replace(mae=Decimal(-1), mfe=Decimal(1)), unknown))
    assert too_narrow(known._replace(mae=Decimal("NaN")), known) == ["mae"]


@pytest.mark.parametrize(
    ("display", "multiplier", "wire"),
    [
        ("5050.25", "0.01", "505025"),
        ("5000", "3", "1666.666666666667"),
        ("5000", "7", "714.285714285714"),
        ("0.000000000000125", "1000", "0.000000000000000125"),
        ("-37.63", "1", "-37.63"),
    ],
)
def test_a_display_price_goes_back_to_the_wire(display: str, multiplier: str, wire: str) -> None:
    """P5: exactly where there is a last digit, else to 12 decimals; never an error of arithmetic."""
    known = Instrument(symbol=KEY.symbol, multiplier=Decimal(multiplier))
    assert wire_price(Decimal(display), known) == Decimal(wire)
    assert wire_price(None, known) is None
    assert wire_price(Decimal(display), None) == Decimal(display)
