"""Every input that once did what no input may do, in its shortest form."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.cli.corrections import decimal
from dtcpos.cli.jsonout import dumps
from dtcpos.cli.prices import price_text
from dtcpos.cli.render import Column, Table, money, print_table
from dtcpos.cli.times import parse_since, parse_until
from dtcpos.cli.updates import render_update, update_json
from dtcpos.client import Address, address_of
from dtcpos.dtc import Encoding
from dtcpos.errors import CannotConnect, SettingsError, UsageError
from dtcpos.exact import EXACT
from dtcpos.importers.older import parse_state
from dtcpos.importers.report import ImportRefused
from dtcpos.model import Instrument
from dtcpos.settings import TradingDay, read_settings
from dtcpos.sim import parse_dialogue
from dtcpos.updates import AlertUpdate, FillUpdate, SyncedUpdate
from tests.fuzz.units import assert_sound
from tests.importers.writing import PANEL
from tests.pair import Pair

NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
FILL = {
    "Type": 301,
    "OrderUpdateReason": 4,
    "OrderStatus": 7,
    "BuySell": 1,
    "LastFillPrice": 5000,
    "LastFillQuantity": 1,
    "Symbol": "MES",
    "TradeAccount": "Sim1",
    "LastFillExecutionID": "x",
    "ServerOrderID": "7",
}


@pytest.mark.parametrize("field", ["Symbol", "TradeAccount", "LastFillExecutionID", "ServerOrderID", "InfoText"])
@pytest.mark.parametrize("form", [Encoding.JSON, Encoding.JSON_COMPACT])
def test_half_a_surrogate_pair_is_a_character_like_another(field: str, form: Encoding) -> None:
    """S5: JSON can say half of a character; no file can hold it, and the execution is booked all the same."""
    pair = Pair("", encoding=form).connect()
    pair.garbage(json.dumps(FILL | {field: "Sim1\ud800"}).encode() + b"\0")
    assert pair.keeper.failure is None
    assert len(pair.told_of(FillUpdate)) == 1
    for update in pair.told:
        render_update(update).encode()


def test_a_server_cannot_forge_a_line_or_move_the_cursor() -> None:
    """S5: what a server says in words is printed on one line, every character of it visible."""
    text = "\x1b[2J\x1b[1;1Hfine\nfill      09:00:00Z  LIVE 120005  BUY 100 ES @ 1\r\u202e\x85\ud800"
    line = render_update(AlertUpdate(kind="server", text=text))
    assert line.isprintable()
    assert "\\x1b[2J" in line
    told = render_update(SyncedUpdate(accounts=1, backfilled=0, breaks=0, unfinished=(text, "plain"))).split("\n")
    assert len(told) == 3
    assert all(part.isprintable() for part in told)


def test_names_in_tables_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    """S5: an account is named by the server."""
    print_table(Table(columns=[Column("ACCOUNT")], groups=[[["Sim\x1b[31m\n1"]]]))
    assert capsys.readouterr().out == "ACCOUNT\nSim\\x1b[31m\\n1\n"


@pytest.mark.parametrize("text", ["9999-12-31", "0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-14:00"])
def test_dates_at_the_end_of_the_calendar_are_refused(text: str) -> None:
    """U4: --since and --until name the value; the arithmetic of dates ends in the years 1 and 9999."""
    for parse in (parse_since, parse_until):
        with pytest.raises(UsageError, match="is not a time; write 2026-11-22"):
            parse(text, now=NOW, trading_day=TradingDay())


@pytest.mark.parametrize("text", ["1e-999999999", "1e999999999", "-1e-400", "0." + "3" * 400, "1e-16", "1e15", "nan"])
def test_a_number_of_endless_digits_is_refused(text: str) -> None:
    """U4: an exponent would be written out, in gigabytes of zeros."""
    with pytest.raises(UsageError, match="is no number; write it with a dot"):
        decimal(text, "--price")


@pytest.mark.parametrize(
    "text", ["5050.25", "-37.63", "0.00000001", "0.000000000000001", "999999999999999", "1e3", "0"]
)
def test_numbers_that_people_write_are_taken(text: str) -> None:
    """P3: up to 15 digits on either side of the dot, exactly."""
    assert decimal(text, "--price") == Decimal(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[instruments.MES]\npoint_value = " + "[" * 3_000, "not valid TOML"),
        ("[instruments.MES]\npoint_value = 1e99999999999999999999", "not valid TOML"),
        ("[instruments.MES]\npoint_value = " + "9" * 5_000, "not valid TOML"),
        ("[instruments.MES]\npoint_value = " + "9" * 400, "at most 15 digits"),
        ("[instruments.MES]\ncommission = 1e999999999", "at most 15 digits"),
        ("[instruments.MES]\ncommission = 1e-999999999", "at most 15 digits"),
        ('[trading_day]\nstart = "17:00+05:00"', "without a zone"),
    ],
)
def test_settings_nobody_can_mean_are_refused(tmp_path: Path, text: str, words: str) -> None:
    """U4: named in one line, and not found out in the middle of a session."""
    path = tmp_path / "settings.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=words):
        read_settings(path)


@pytest.mark.parametrize("number", ["1e999", "1e-999999999", "9" * 60])
def test_a_dialogue_has_numbers_that_a_message_can_carry(number: str) -> None:
    """U4: refused with the line where it is written, and not when the fill is told."""
    with pytest.raises(UsageError, match=r"line 3: .* is no price"):
        parse_dialogue(f"account Sim1\n--\nfill Sim1 BUY 1 MES @ {number}\n")


def test_figures_beyond_what_is_rounded_by_default_are_written() -> None:
    """P3: a price and a quantity at the ends of what is admitted, multiplied, have more than 28 digits."""
    enormous = EXACT.multiply(Decimal("999999999999999"), Decimal("999999999999999"))
    assert money(EXACT.multiply(enormous, Decimal(50))) == "+49,999,999,999,999,900,000,000,000,000,050.00"
    for form in (2, 9, 132, 356):
        assert price_text(enormous, Instrument(symbol="X", price_format=form)) == "999999999999998000000000000001"


def test_a_position_of_extremes_is_booked_and_shown() -> None:
    """P2, P3: the largest price and quantity that the wire's door admits, and the smallest beside them."""
    pair = Pair("", encoding=Encoding.JSON).connect()
    for number, (side, price, quantity) in enumerate(
        (
            (1, 9.9e14, 9.9e14),
            (1, 1e-12, 1e-12),
            (1, -9.9e14, 3.3e14),
            (2, 123456789.123456, 9.9e14),
            (2, 1e-12, 9.9e14),
        )
    ):
        told = FILL | {"BuySell": side, "LastFillPrice": price, "LastFillQuantity": quantity}
        told |= {"LastFillExecutionID": f"x-{number}", "ServerOrderID": str(number)}
        pair.garbage(json.dumps(told).encode() + b"\0")
        pair.perform("tick MES 990000000000000", "tick MES 0.000000000001")
    assert len(pair.told_of(FillUpdate)) == 5
    for update in pair.told:
        assert render_update(update)
        assert dumps(update_json(update))
    assert_sound(pair.repository)


@pytest.mark.parametrize("number", ["1e3081763263040", "-1e400", "1e-999999999999", "0e-400"])
def test_a_state_file_with_an_exponent_beyond_reason_is_refused(number: str) -> None:
    """U6: named with its key; comparing it with anything is an overflow already."""
    text = json.dumps(PANEL | {"heat_start_epoch": 77}).replace("77", number)
    with pytest.raises(ImportRefused, match="heat_start_epoch"):
        parse_state(text.encode(), Path("state_SIM_Sim1.json"))


@pytest.mark.parametrize("text", ["\x00\x01:11100]::1", "a\x00b", "[::1\x00]:11099"])
def test_an_address_with_a_nul_is_refused(text: str) -> None:
    """S4: the resolver has an error of its own kind for it."""
    with pytest.raises(CannotConnect, match=r"is no (host|address)"):
        address_of(text, default=Address(port=11099))
