"""What a symbol is worth, and who said so."""

from __future__ import annotations

from decimal import Decimal

import pytest
from attrs import evolve

from dtcpos.booking import assumed, defined, root_of, ruled
from dtcpos.model import Instrument, Terms

D = Decimal


@pytest.mark.parametrize(
    ("symbol", "root"),
    [
        ("MESZ26-CME", "MES"),
        ("MESZ26_FUT_CME", "MES"),
        ("F.US.MESZ26", "MES"),
        ("MESZ6", "MES"),
        ("MESZ25", "MES"),
        ("ESM20_FUT_CME", "ES"),
        ("6EZ26-CME", "6E"),
        ("M2KH27", "M2K"),
        ("CLF27", "CL"),
        ("ZBH2027-CBOT", "ZB"),
        ("BTCUSDT_PERP_BINANCE", "BTCUSDT_PERP_BINANCE"),
        ("AAPL", "AAPL"),
    ],
)
def test_spellings_of_a_contract_have_one_root(symbol: str, root: str) -> None:
    """P4: however a service spells the contract."""
    assert root_of(symbol) == root


def test_a_common_future_is_known_and_marked_as_shipped() -> None:
    """P4: MES is $5 a point, ES $50, CL $1,000."""
    values = {symbol: assumed(symbol, {}) for symbol in ("MESZ26-CME", "ESZ26", "F.US.CLF27")}
    assert [each.point_value for each in values.values()] == [D(5), D(50), D(1000)]
    assert {each.point_value_source for each in values.values()} == {"shipped"}


def test_what_nobody_knows_is_not_guessed() -> None:
    """P4: points only, money null."""
    assert assumed("XYZZ26", {}) == Instrument(symbol="XYZZ26")


def test_settings_stand_above_the_table_and_below_the_server() -> None:
    """P4: the symbol before its root; the server's definition before both."""
    settings = {"MES": Terms(point_value=D(6), commission=D("0.62")), "MESZ26-CME": Terms(point_value=D(7))}
    of_symbol = assumed("MESZ26-CME", settings)
    assert (of_symbol.point_value, of_symbol.point_value_source, of_symbol.commission) == (D(7), "settings", None)
    of_root = assumed("MESH27-CME", settings)
    assert (of_root.point_value, of_root.commission, of_root.commission_source) == (D(6), D("0.62"), "settings")
    server = Instrument(symbol="MESH27-CME", point_value=D(5), point_value_source="server", multiplier_source="server")
    told = defined(server, of_root)
    assert (told.point_value, told.point_value_source, told.commission) == (D(5), "server", D("0.62"))


def test_what_a_person_set_stays() -> None:
    """P4: a correction is not undone by the next definition or by the settings."""
    known = Instrument(symbol="XYZZ26", point_value=D(9), point_value_source="user", commission=D(1))
    known = evolve(known, commission_source="user")
    told = defined(Instrument(symbol="XYZZ26", point_value=D(5), point_value_source="server"), known)
    assert (told.point_value, told.point_value_source) == (D(9), "user")
    assert ruled(known, {"XYZ": Terms(point_value=D(3), commission=D(2))}).commission == 1


def test_a_commission_taken_out_of_the_settings_is_unknown_again() -> None:
    """P6: unknown is not zero."""
    known = assumed("MESZ26", {"MES": Terms(commission=D("0.62"))})
    assert ruled(known, {}).commission is None
