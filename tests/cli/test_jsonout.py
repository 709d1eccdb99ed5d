"""JSON with exact numbers."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtcpos.cli.jsonout import dumps, iso, plain, write_array, write_lines


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("110.515625", "110.515625"),
        ("1.08455", "1.08455"),
        ("-37.63", "-37.63"),
        ("5050.250", "5050.25"),
        ("0.00000001", "0.00000001"),
        ("1E-8", "0.00000001"),
        ("1E+3", "1000"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("0.001", "0.001"),
        ("100", "100"),
    ],
)
def test_decimals_are_written_exactly_and_never_with_an_exponent(number: str, text: str) -> None:
    """P3: prices survive exactly, whatever form they were computed in."""
    assert plain(Decimal(number)) == text
    assert dumps(Decimal(number)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_what_is_written_reads_back_the_same(number: Decimal) -> None:
    """P3: no digit is lost on the way out."""
    assert json.loads(dumps(number), parse_float=Decimal, parse_int=Decimal) == number


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_everything_else_is_ordinary_json(value: object) -> None:
    """Any reader of JSON reads it."""
    assert json.loads(dumps({"value": value})) == {"value": value}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5050.25, "5050.25"),
        (1e-08, "0.00000001"),
        (float("nan"), "null"),
        (float("inf"), "null"),
        (sys.float_info.max, str(int(sys.float_info.max))),
        (Decimal("NaN"), "null"),
    ],
)
def test_doubles_of_the_wire(value: object, text: str) -> None:
    """`decode` prints what was sent: shortest digits for finite doubles (or all of them), null for the rest."""
    written = dumps(value)
    assert written == text or float(written) == float(text)


def test_times_are_utc_with_z() -> None:
    """ISO-8601, whatever zone the value is in."""
    moment = datetime(2026, 11, 22, 8, 30, 1, 250_000, tzinfo=timezone(timedelta(hours=-6)))
    assert iso(moment) == "2026-11-22T14:30:01.250000Z"
    assert dumps([moment, datetime(2026, 3, 8, tzinfo=UTC)]) == (
        '["2026-11-22T14:30:01.250000Z", "2026-03-08T00:00:00.000000Z"]'
    )


def test_arrays_and_lines() -> None:
    """One array with an element a line, or one object a line; nothing is an empty array."""
    out = io.StringIO()
    write_array([], out)
    write_array([{"a": 1}, {"a": Decimal("2.50")}], out)
    write_lines([{"a": None}], out)
    assert out.getvalue() == '[]\n[\n{"a": 1},\n{"a": 2.5}\n]\n{"a": null}\n'


def test_what_json_cannot_say_is_refused() -> None:
    """A value of a kind nobody thought of is our own mistake, not a string."""
    with pytest.raises(TypeError, match="no JSON"):
        dumps(object())
