from __future__ import annotations

import json
from typing import Any

import pytest

from dtcpos.dtc import (
    MESSAGE_TYPES,
    Encoding,
    Heartbeat,
    MarketDataUpdateTradeCompact,
    Message,
    OrderUpdate,
    PositionUpdate,
    decode,
    encode,
    fields_of,
)
from dtcpos.dtc.binary import Malformed
from dtcpos.errors import LocalProtocolError
from tests.dtc.golden import JSON_VECTORS, VECTOR, expected, json_frame, read

FORMS = [(row["name"], form) for row in JSON_VECTORS for form in ("json", "json_sparse", "json_compact") if form in row]
VARIANTS = [
    pytest.param(row["name"], variant, id=f"{row['name']}-{variant['kind']}")
    for row in JSON_VECTORS
    for variant in row.get("variants", ())
]


def decoded(text: str | bytes, symbol_ids: tuple[int, ...] = ()) -> Message:
    frame = text.encode() if isinstance(text, str) else text
    message = decode(frame + b"\0", Encoding.JSON, symbol_ids)
    assert message is not None
    return message


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_every_form_reads_as_the_binary_vector(name: str, form: str) -> None:
    """S1: full, sparse and compact JSON say what the struct says, 8-bit text included."""
    message = decode(json_frame(name, form), Encoding.JSON)
    assert message is not None
    wanted = expected({**VECTOR[name], "absent": ()})
    assert read(message, wanted) == wanted


@pytest.mark.parametrize(("name", "variant"), VARIANTS)
def test_every_variant_reads_the_same_or_is_refused(name: str, variant: dict[str, Any]) -> None:
    """What the standard, the documentation or Sierra Chart allows is read; what is not JSON is malformed."""
    frame = variant["text"].encode("latin-1")
    vector = VECTOR[name]
    if variant.get("must_fail"):
        with pytest.raises(Malformed):
            decode(frame + b"\0", Encoding.JSON)
        return
    symbol_ids = (vector["fields"]["SymbolID"],) if variant["kind"] == "compact_observed_2020_order" else ()
    wanted = expected(vector, variant.get("fields_override"))
    assert read(decoded(frame, symbol_ids), wanted) == wanted


@pytest.mark.parametrize("row", JSON_VECTORS, ids=lambda row: row["name"])
def test_what_is_written_is_the_golden_text(row: dict[str, Any]) -> None:
    """Full form, header order, unset left out, whole doubles without a fraction; F arrays for documented types."""
    message = decode(json_frame(row["name"], "json"), Encoding.JSON)
    assert message is not None
    ours = encode(message, Encoding.JSON)
    assert ours.endswith(b"\0")
    # Our escapes are ASCII where the sample has 8-bit bytes, and an older sender wrote fewer fields than we know.
    if row["name"].endswith(("8bit_text", "2022_sender")):
        return
    assert list(json.loads(ours[:-1]).items()) == list(json.loads(row["json"]).items())
    compact = json.loads(encode(message, Encoding.JSON_COMPACT)[:-1])
    assert compact == json.loads(row.get("json_compact", row["json"]))


@pytest.mark.parametrize("kind", MESSAGE_TYPES.values(), ids=lambda kind: kind.name)
@pytest.mark.parametrize("encoding", [Encoding.JSON, Encoding.JSON_COMPACT])
def test_every_message_survives_both_forms(kind: type[Message], encoding: Encoding) -> None:
    """S1: each type goes out and comes back equal."""
    message = kind(**{field.name: "é" if field.is_text else 3 for field in kind.fields if field.at is not None})
    assert decode(encode(message, encoding), encoding) == message
    assert decode(encode(kind(), encoding), encoding) == kind()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '"x"',
        "{}",
        '{"Type":null}',
        '{"Type":true}',
        '{"Type":"x"}',
        '{"Type":3.5}',
        '{"Type":-1}',
        '{"Type":70000}',
        '{"Type":301,"Symbol":5}',
        '{"Type":301,"Symbol":["ES"]}',
        '{"Type":301,"Symbol":true}',
        '{"Type":301,"Price1":"abc"}',
        '{"Type":301,"Price1":""}',
        '{"Type":301,"Price1":"1_0"}',
        '{"Type":301,"Price1":{}}',
        '{"Type":301,"Price1":-1e999}',
        '{"Type":301,"LastFillDateTime":1e999}',
        '{"Type":301,"OrderStatus":1.5}',
        '{"Type":301,"OrderStatus":100000000000000000000000000}',
        '{"Type":301,"OrderStatus":' + "9" * 5000 + "}",
        '{"Type":301,"Price1":' + "9" * 400 + "}",
        '{"Type":301,"Price1":Infinity}',
        '{"Type":301,"Price1":-Infinity}',
        '{"Type":301,"Price1":NaN}',
        '{"Type":306,"Quantity":1e999}',
        '{"Type":3,"F":7}',
        '{"Type":3,"F":["x"]}',
        "[" * 100_000,
        '{"a":' * 50_000,
    ],
    ids=lambda text: text[:40],
)
def test_what_cannot_be_meant_is_malformed_and_nothing_else(text: str) -> None:
    """S5: hostile JSON ends in one kind of fault, never in another exception."""
    with pytest.raises(Malformed):
        decode(text.encode() + b"\0", Encoding.JSON)


def test_numbers_may_come_as_digits_flags_and_wholes() -> None:
    """Tolerated because it is cheap: strings of digits, booleans, integers with a fraction of zero."""
    message = decoded('{"Type":"306","Quantity":"-2.5e0","NoPositions":true,"RequestID":7.0,"EntryDateTime":"12.9"}')
    assert message == PositionUpdate(Quantity=-2.5, NoPositions=1, RequestID=7, EntryDateTime=12)


def test_a_fraction_of_a_time_is_cut_off() -> None:
    """Sierra Chart was seen to take fractional CurrentDateTime."""
    assert decoded('{"Type":3,"CurrentDateTime":1795185059.75}') == Heartbeat(CurrentDateTime=1795185059)


def test_dbl_max_rounded_up_is_still_unset() -> None:
    """DBL_MAX printed with 16 digits overflows to infinity where it is read."""
    assert decoded('{"Type":301,"Price1":1.797693134862316e+308}') == OrderUpdate()


def test_text_that_is_not_utf_8_is_read_as_latin_1() -> None:
    """S5: no byte sequence fails to decode."""
    assert decoded(b'{"Type":301,"InfoText":"refus\xe9 \x80"}') == OrderUpdate(InfoText="refus\xe9 \x80")
    assert decoded('{"Type":301,"InfoText":"refusé €"}') == OrderUpdate(InfoText="refusé €")
    assert decoded('{"Type":301,"Symbol":"ES\\u0000junk"}') == OrderUpdate(Symbol="ES")


@pytest.mark.parametrize(
    ("array", "symbol_ids", "is_observed"),
    [
        ([7, 1, 5000.25, 2, 1795185000], (7,), True),
        ([5000.25, 2, 1795185000, 7, 1], (7,), False),
        ([7.0, 2, 1795185000, 7, 1], (7,), False),
        ([5000.25, 2, 1795185000, 7, 1], (), False),
        ([900000001, 1, 5000.25, 2, 1795185000], (900000001, 5), True),
    ],
)
def test_the_order_of_2020_shows_in_the_place_of_the_symbol(
    array: list[float], symbol_ids: tuple[int, ...], is_observed: bool
) -> None:
    """Type 112 came with SymbolID first, against the rule; ids we asked for tell which it is."""
    message = decoded(json.dumps({"Type": 112, "F": array}), symbol_ids)
    assert isinstance(message, MarketDataUpdateTradeCompact)
    assert message.SymbolID == array[0 if is_observed else 3]
    assert message.Price == array[2 if is_observed else 0]


def test_what_json_cannot_say_is_refused() -> None:
    """There is no NaN in JSON."""
    with pytest.raises(LocalProtocolError, match="not finite"):
        encode(PositionUpdate(Quantity=float("nan")), Encoding.JSON)


def test_a_field_left_out_is_its_default_in_decode() -> None:
    """The decode command: a field left out or null is its default, null where that is unset."""
    fields = fields_of(decoded('{"Type":301,"Symbol":null,"Price1":null}'))
    assert (fields["Symbol"], fields["Price1"], fields["LastFillDateTime"]) == ("", None, 0)
