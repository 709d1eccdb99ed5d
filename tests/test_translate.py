"""The door between the protocol's words and ours: numbers, times, executions, modes."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtcpos.dtc import HistoricalOrderFillResponse, OrderUpdate, PositionUpdate, SecurityDefinitionResponse
from dtcpos.model import RULE_BY_HAND, Account, Fill, ReportedPosition, Side, Source
from dtcpos.translate import (
    Unusable,
    decimal_of,
    decimal_of_float32,
    fill_of,
    historical_fill_of,
    instrument_of,
    mode_of,
    moment_of,
    order_of,
    outdated_modes,
    reported_of,
)

D = Decimal
NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


def execution(**fields: object) -> OrderUpdate:
    facts: dict[str, object] = {
        "Symbol": "MESZ26-CME",
        "TradeAccount": "Sim1",
        "ServerOrderID": "1001",
        "OrderStatus": 7,
        "OrderUpdateReason": 4,
        "BuySell": 1,
        "OrderQuantity": 2.0,
        "FilledQuantity": 2.0,
        "LastFillPrice": 5050.25,
        "LastFillQuantity": 2.0,
        "LastFillDateTime": 1795185031001,
        "LastFillExecutionID": "E-1",
    }
    return OrderUpdate(**facts | fields)


@pytest.mark.parametrize(
    ("wire", "exact"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (110.515625, "110.515625"),
        (1.08455, "1.08455"),
        (-37.63, "-37.63"),
        (5050.25, "5050.25"),
        (1e-8, "0.00000001"),
        (0.001, "0.001"),
        (28282500.0, "28282500"),
    ],
)
def test_prices_are_the_shortest_decimal_of_the_double(wire: float, exact: str) -> None:
    """P3: made once from repr of the wire's double, so nothing is invented and nothing lost."""
    assert f"{decimal_of(wire + 0.0):f}" == exact


@pytest.mark.parametrize("wire", [math.nan, math.inf, -math.inf, 1e300, 1.7976931348623157e308, 5e-324])
def test_what_is_no_number_of_this_world_is_none(wire: float) -> None:
    """S5: not finite, unset or absurd: never a price."""
    assert decimal_of(wire) is None


@given(st.decimals(min_value=-30000, max_value=30000, places=3))
def test_a_float32_reads_as_the_decimal_it_was_made_from(price: Decimal) -> None:
    """P3: a price of up to seven digits survives a 32-bit float."""
    if len(price.normalize().as_tuple().digits) > 6:
        return
    travelled = struct.unpack("<f", struct.pack("<f", float(price)))[0]
    assert decimal_of_float32(travelled) == price


@pytest.mark.parametrize("price", ["118.0078125", "110.515625", "118.03125"])
def test_binary_fractions_stay_as_they_are(price: str) -> None:
    """P3: halves of 32nds are exact in both widths and must not be shortened."""
    assert decimal_of_float32(float(price)) == D(price)


@pytest.mark.parametrize(
    ("wire", "moment", "is_exact"),
    [
        (1795185031, NOW + timedelta(seconds=31), False),
        (1795185031001, NOW + timedelta(seconds=31, milliseconds=1), True),
        (1795185031001002, NOW + timedelta(seconds=31, microseconds=1002), True),
        (1795185031.001, NOW + timedelta(seconds=31, milliseconds=1), True),
    ],
)
def test_units_of_time_are_told_by_magnitude(wire: float, moment: datetime, is_exact: bool) -> None:
    """S2: seconds, milliseconds or microseconds, whatever the header's version says."""
    assert moment_of(wire) == (moment + (datetime(2026, 11, 20, 14, 30, tzinfo=UTC) - NOW), is_exact)


@pytest.mark.parametrize("wire", [0, -1, 1, 9223372036854775807, 4_102_444_800, math.nan, math.inf])
def test_absurd_dates_are_no_dates(wire: float) -> None:
    """S5: neither 1970 nor the year 292277 is a trading day."""
    assert moment_of(wire) is None


def test_an_execution_is_a_reason_and_not_a_status() -> None:
    """N7: only the reasons filled and filled partially report an execution."""
    assert isinstance(fill_of(execution(), received_at=NOW), Fill)
    assert fill_of(execution(OrderUpdateReason=1), received_at=NOW) is None
    assert fill_of(execution(OrderUpdateReason=3, OrderStatus=7), received_at=NOW) is None


def test_an_execution_in_our_words() -> None:
    """P1: the fill holds what was stated, once and exactly."""
    fill = fill_of(execution(BuySell=2, LastFillPrice=0.0), received_at=NOW)
    assert isinstance(fill, Fill)
    assert (fill.side, fill.quantity, fill.price, fill.execution_id) == (Side.SELL, D(2), D(0), "E-1")
    assert (fill.time, fill.time_is_exact, fill.source) == (moment_of(1795185031001)[0], True, Source.LIVE)  # type: ignore[index]
    assert fill.flags == ()


def test_an_overfill_is_flagged() -> None:
    """N7: more filled than ordered is recorded, with a word that says so."""
    fill = fill_of(execution(FilledQuantity=3.0), received_at=NOW)
    assert isinstance(fill, Fill)
    assert fill.flags == ("overfill",)


def test_a_fill_without_a_time_gets_the_time_it_came() -> None:
    """N1: an execution is not dropped for want of a clock."""
    fill = fill_of(execution(LastFillDateTime=0), received_at=NOW)
    assert isinstance(fill, Fill)
    assert fill.time == NOW


@pytest.mark.parametrize(
    "fields",
    [
        {"BuySell": 0},
        {"BuySell": 7},
        {"LastFillPrice": math.nan},
        {"LastFillPrice": None},
        {"LastFillPrice": math.inf},
        {"LastFillQuantity": 0.0},
        {"LastFillQuantity": -1.0},
        {"LastFillQuantity": None},
        {"LastFillDateTime": -5},
        {"LastFillDateTime": 9223372036854775806},
        {"Symbol": ""},
    ],
)
def test_what_cannot_be_meant_is_said_and_not_booked(fields: dict[str, object]) -> None:
    """S5: the ledger is unchanged by what is not valid."""
    assert isinstance(fill_of(execution(**fields), received_at=NOW), Unusable)


def test_a_historical_fill_belongs_to_the_account_asked() -> None:
    """N3: a server that leaves the account out means the one it was asked for."""
    told = HistoricalOrderFillResponse(
        Symbol="MESZ26-CME", BuySell=1, Price=5050.25, Quantity=1.0, DateTime=1795185031, UniqueExecutionID="E-1"
    )
    fill = historical_fill_of(told, account="120005", place=3)
    assert isinstance(fill, Fill)
    assert (fill.account, fill.time_is_exact, fill.place, fill.position_after) == ("120005", False, 3, None)


def test_a_position_of_zero_is_flat_and_an_average_of_zero_a_price() -> None:
    """P3: zero is a value."""
    flat = reported_of(PositionUpdate(Symbol="F.US.MESM25", TradeAccount="Sim1", Quantity=0.0, AveragePrice=5996.5))
    assert isinstance(flat, ReportedPosition)
    assert flat.signed_quantity == 0
    held = reported_of(PositionUpdate(Symbol="CLF27", TradeAccount="Sim1", Quantity=1.0, AveragePrice=0.0))
    assert isinstance(held, ReportedPosition)
    assert held.average_price == 0
    assert isinstance(reported_of(PositionUpdate(Symbol="CLF27", Quantity=math.nan)), Unusable)


def test_a_rejection_without_an_order_is_no_order() -> None:
    """N7: what names no server order changes none."""
    assert order_of(OrderUpdate(ClientOrderID="C-1", OrderUpdateReason=8), received_at=NOW) is None


def test_the_worth_of_a_point() -> None:
    """P4: value per increment divided by the increment, floats read as the decimals they were."""
    definition = SecurityDefinitionResponse(
        Symbol="CLF27",
        MinPriceIncrement=0.009999999776482582,
        CurrencyValuePerIncrement=10.0,
        DisplayPriceMultiplier=1.0,
        Currency="USD",
    )
    instrument = instrument_of(definition)
    assert instrument is not None
    assert (instrument.tick, instrument.point_value, instrument.currency) == (D("0.01"), D(1000), "USD")
    assert instrument_of(SecurityDefinitionResponse(IsFinalMessage=1)) is None


@pytest.mark.parametrize(
    ("account", "mode"),
    [
        ("Sim1", "SIM"),
        ("SIM-7", "SIM"),
        ("my-demo", "SIM"),
        ("PaperTrading", "SIM"),
        ("120005", "LIVE"),
        ("EVAL-50K-07", "LIVE"),
    ],
)
def test_names_decide_the_mode(account: str, mode: str) -> None:
    """M2: sim, demo and paper in any case are SIM, the rest LIVE."""
    assert mode_of(account, {})[0] == mode


def test_an_explicit_rule_comes_first() -> None:
    """M2: the user's map wins over the name, an exact name over a pattern."""
    rules = {"EVAL-*": "sim", "EVAL-50K-07": "LIVE", "Sim9": "LIVE"}
    assert mode_of("EVAL-50K-08", rules) == ("SIM", "settings: EVAL-*")
    assert mode_of("EVAL-50K-07", rules) == ("LIVE", "settings: EVAL-50K-07")
    assert mode_of("Sim9", rules)[0] == "LIVE"


def test_a_rule_added_later_is_spoken_of() -> None:
    """M2: an account keeps its first mode, so a rule that would now put it elsewhere is not ignored in silence."""

    def kept(name: str, mode: str, rule: str) -> Account:
        return Account(account=name, mode=mode, rule=rule, first_seen_at=NOW)

    accounts = [
        kept("EVAL-2", "LIVE", "no rule says otherwise"),
        kept("EVAL-1", "LIVE", "settings: EVAL-1"),
        kept("EVAL-3", "LIVE", RULE_BY_HAND),
        kept("EVAL-4", "SIM", "no rule says otherwise"),
        kept("120005", "SIM", "name contains 'sim'"),
    ]
    assert outdated_modes(accounts, {"EVAL-*": "sim"}) == (
        "the settings put EVAL-1 in SIM (kept in LIVE), EVAL-2 in SIM (kept in LIVE); "
        "run `dtcpos accounts set EVAL-1 SIM` to move an account"
    )
    assert outdated_modes(accounts, {"EVAL-1": "LIVE"}) == ""
    assert outdated_modes(accounts, {}) == ""
