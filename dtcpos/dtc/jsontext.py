"""JSON encodings: one object per message, ended by one NUL; the compact form puts frequent types in an array.

Values are checked as they come in, because JSON, unlike a struct, can say anything: a number may come as a string of
digits, an integer as 1.0 and a flag as true, but a text is a text. What is left out or null is the default.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from typing import Any

from dtcpos.dtc.binary import Malformed
from dtcpos.dtc.fields import DBL_MAX, Double, Field, Seconds, Seconds4
from dtcpos.dtc.message import Message
from dtcpos.errors import LocalProtocolError

# Whole doubles below this are exact as integers and are written without a fraction, as the documentation shows.
_WHOLE_MAX = 1e15
_NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,4})?")
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1

# In 2020 Sierra Chart sent these two with SymbolID first, against the struct's order (seen in the wild). Which one it
# is shows in which of the two places holds the id of a symbol we asked for.
_OBSERVED_ORDERS: dict[int, tuple[str, ...]] = {
    112: ("SymbolID", "AtBidOrAsk", "Price", "Volume", "DateTime"),
    117: ("SymbolID", "BidPrice", "BidQuantity", "AskPrice", "AskQuantity", "DateTime"),
}
_SYMBOL_PLACE = {112: 3, 117: 5}


def parse(frame: bytes) -> tuple[int, dict[str, Any]]:
    """Read one JSON frame, without its NUL, into the message type and the object.

    Text that is not UTF-8 is read as latin-1, which cannot fail. Raises Malformed for anything that is not an object
    with a whole number as Type.
    """
    try:
        text = frame.decode("utf-8")
    except UnicodeDecodeError:
        text = frame.decode("latin-1")
    try:
        parsed = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed("malformed JSON", str(error)[:200]) from error
    if not isinstance(parsed, dict):
        raise Malformed("not an object", type(parsed).__name__)
    if "\\ud" in text or "\\uD" in text:
        parsed = {name: _encodable(value) for name, value in parsed.items()}
    if "Type" not in parsed or isinstance(parsed["Type"], bool):
        raise Malformed("no type")
    try:
        type_ = _integer(parsed["Type"], is_time=False)
    except (TypeError, ValueError, OverflowError) as error:
        raise Malformed("no type") from error
    if not 0 <= type_ <= 0xFFFF:
        raise Malformed("no type", str(type_))
    return type_, parsed


def _encodable(value: Any) -> Any:
    """Return a value whose texts can be written anywhere: half a surrogate pair is no character."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return list(map(_encodable, value)) if isinstance(value, list) else value


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def message_of(kind: type[Message], parsed: dict[str, Any], symbol_ids: Collection[int] = ()) -> Message:
    """Make a message of a parsed object, in either form; unknown names are ignored, names are case-sensitive.

    `symbol_ids` are those asked for; they settle the order of the array of types 112 and 117. Raises Malformed where
    a value is of the wrong kind.
    """
    raw = list(kind.defaults)
    absent = kind.not_in_fixed
    array = parsed.get("F")
    if array is not None:
        for place, value in zip(_array_fields(kind, array, symbol_ids), array, strict=False):
            if value is not None:
                raw[place.index] = _raw_of(kind, place, value)
    table = kind.field_by_name
    for name, value in parsed.items():
        field = table.get(name)
        if field is None or value is None:
            continue
        if value.__class__ is str and field.is_text and "\0" not in value:
            raw[field.index] = value
        else:
            raw[field.index] = _raw_of(kind, field, value)
    if absent:
        absent -= parsed.keys()
    return kind.of_raw(tuple(raw), absent)


def _array_fields(kind: type[Message], array: Any, symbol_ids: Collection[int]) -> list[Field[Any]]:
    if not isinstance(array, list):
        raise Malformed("wrong value", f"{kind.name}: F is not an array", type_=kind.type)
    place = _SYMBOL_PLACE.get(kind.type)
    if place is not None and len(array) > place and symbol_ids:
        first, usual = array[0], array[place]
        if _is_among(first, symbol_ids) and not _is_among(usual, symbol_ids):
            return [kind.field_by_name[name] for name in _OBSERVED_ORDERS[kind.type]]
    return kind.fixed.fields


def _is_among(value: Any, symbol_ids: Collection[int]) -> bool:
    return isinstance(value, int | float) and value in symbol_ids


def _raw_of(kind: type[Message], field: Field[Any], value: Any) -> Any:
    try:
        if field.is_text:
            return _text(value)
        if isinstance(field, Double):
            return _floating(value, field)
        return _integer(value, is_time=isinstance(field, Seconds | Seconds4))
    except (TypeError, ValueError, OverflowError) as error:
        raise Malformed("wrong value", f"{kind.name}.{field.name}: {str(value)[:40]!r}", type_=kind.type) from error


def _text(value: Any) -> str:
    if value.__class__ is not str:
        raise TypeError("not a text")
    return value.partition("\0")[0] if "\0" in value else value


def _floating(value: Any, field: Field[Any]) -> float:
    if value.__class__ is str:
        if not _NUMBER.fullmatch(value):
            raise ValueError("not a number")
    elif not isinstance(value, int | float):
        raise TypeError("not a number")
    number = float(value)
    if number - number != 0:
        # DBL_MAX printed with 16 digits is rounded up and read as infinity; it still means unset where unset exists.
        if number > 0 and field.has_unset:
            return DBL_MAX if field.code == "d" else field.default
        raise ValueError("not finite")
    return number


def _integer(value: Any, *, is_time: bool) -> int:
    if value.__class__ is int and _INT_MIN <= value <= _INT_MAX:
        return value
    if value.__class__ is str:
        if not _NUMBER.fullmatch(value):
            raise ValueError("not a number")
        value = int(value) if value.lstrip("-").isdecimal() else float(value)
    elif not isinstance(value, int | float):
        raise TypeError("not a number")
    number = int(value)
    # Sierra Chart takes fractional CurrentDateTime from clients, so a fraction of a second is cut off; of an id, no.
    if number != value and not is_time:
        raise ValueError("not whole")
    if not _INT_MIN <= number <= _INT_MAX:
        raise ValueError("out of range")
    return number


def encode_json(message: Message, *, is_compact: bool) -> bytes:
    """Write the message as JSON with its NUL; unset numbers are left out, in an array null.

    Characters beyond ASCII are escaped, so that the reader's guess at the code page does not matter. Raises
    LocalProtocolError for a number JSON cannot say.
    """
    kind = type(message)
    body: dict[str, Any] = {"Type": kind.type}
    if is_compact and kind.is_compact:
        body["F"] = [_json_value(getattr(message, field.name)) for field in kind.fields]
    else:
        for field in kind.fields:
            value = getattr(message, field.name)
            if value is not None and (field.at is not None or field.name not in message.absent):
                body[field.name] = _json_value(value)
    try:
        return _dumps(body).encode("ascii") + b"\0"
    except ValueError as error:
        raise LocalProtocolError(f"{kind.name}: a number is not finite and JSON cannot say it") from error


_dumps: Callable[[Any], str] = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _json_value(value: Any) -> Any:
    if value.__class__ is float and -_WHOLE_MAX < value < _WHOLE_MAX and value == int(value):
        return int(value)
    return value
