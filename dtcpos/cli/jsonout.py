"""JSON with exact numbers: decimals keep their digits, never an exponent; times are ISO-8601 UTC with `Z`.

The standard encoder turns a Decimal into a float or a string; both lose what the ledger kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import IO, Any


def plain(number: Decimal) -> str:
    """Write a decimal exactly: no exponent, no trailing zeros, no negative zero."""
    if not number:
        return "0"
    text = str(number)
    if "E" in text:
        text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def iso(moment: datetime) -> str:
    """Write an aware moment as ISO-8601 UTC with microseconds and `Z`."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def dumps(value: Any) -> str:
    """Write one value as JSON on one line.

    A double is written with the shortest digits that mean it; JSON has no NaN and no infinities,
    so they are null.
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return encode_basestring_ascii(value)
        case int():
            return str(int(value))
        case Decimal():
            return plain(value) if value.is_finite() else "null"
        case float():
            return plain(Decimal(repr(value))) if math.isfinite(value) else "null"
        case datetime():
            return encode_basestring_ascii(iso(value))
        case Mapping():
            return "{" + ", ".join(f"{encode_basestring_ascii(str(key))}: {dumps(value[key])}" for key in value) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(dumps, value)) + "]"
    raise TypeError(f"no JSON for {value!r}")


def write_array(rows: Iterable[Mapping[str, Any]], out: IO[str]) -> None:
    """Write one array, an element a line, as the rows come."""
    opening = "["
    for row in rows:
        out.write(f"{opening}\n{dumps(row)}")
        opening = ","
    out.write("[]\n" if opening == "[" else "\n]\n")


def write_lines(rows: Iterable[Mapping[str, Any]], out: IO[str]) -> None:
    """Write one object a line."""
    for row in rows:
        out.write(dumps(row) + "\n")
