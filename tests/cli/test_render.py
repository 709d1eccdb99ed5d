"""Tables and words for people."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from dtcpos.cli.render import Column, Table, age, is_terminal, money, number, print_table, profit

TABLE = Table(
    columns=[Column("MODE"), Column("QTY", is_number=True), Column("NOTE", rank=1), Column("STATUS")],
    groups=[[["LIVE", "-1", "a", "BREAK"]], [["SIM", "10", "b", "VERIFIED"]]],
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_plain_text_is_aligned_and_groups_are_apart() -> None:
    """Into a pipe: no colour, numbers to the right, an empty line between modes."""
    out = io.StringIO()
    print_table(TABLE, out)
    assert out.getvalue() == ("MODE  QTY  NOTE  STATUS\nLIVE   -1  a     BREAK\n\nSIM    10  b     VERIFIED\n")


def test_a_narrow_room_leaves_out_the_optional_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What must be seen is never cut."""
    monkeypatch.setenv("COLUMNS", "20")
    out = io.StringIO()
    print_table(TABLE, out)
    assert out.getvalue().splitlines()[0] == "MODE  QTY  STATUS"


def test_a_terminal_gets_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colour says the same as the word it is on, and no more."""
    monkeypatch.setenv("TERM", "xterm-256color")
    out = Terminal()
    print_table(TABLE, out)
    assert "\x1b[" in out.getvalue()
    assert "BREAK" in out.getvalue()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """NO_COLOR is honoured."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    assert not is_terminal(Terminal())
    out = Terminal()
    print_table(TABLE, out)
    assert "\x1b" not in out.getvalue()


@pytest.mark.parametrize(
    ("amount", "text"),
    [("1234.5", "+1,234.50"), ("-0.005", "0.00"), ("-37.635", "-37.64"), ("0", "0.00"), ("0.125", "+0.12")],
)
def test_money_has_two_decimals(amount: str, text: str) -> None:
    """Half-even, signed, with thousands apart; zero has no sign."""
    assert money(Decimal(amount)) == text


def test_what_is_not_known_is_a_dash() -> None:
    """Never a zero, never a guess."""
    assert (number(None), money(None), profit(None, None), age(None, datetime.now(UTC))) == ("-", "-", "-", "-")
    assert profit(None, Decimal("1.50")) == "+1.5 pts"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (61, "1m 1s"), (3_700, "1h 1m"), (90_000, "1d 1h"), (-5, "0s")],
)
def test_ages_are_two_units(seconds: int, text: str) -> None:
    """Long enough to know, short enough to read."""
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert age(now - timedelta(seconds=seconds), now) == text
