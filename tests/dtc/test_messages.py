from __future__ import annotations

import struct
from typing import Any

import pytest

from dtcpos.dtc import (
    CLIENT_MAY_SEND,
    MESSAGE_TYPES,
    Encoding,
    HistoricalOrderFillResponse,
    LogonRequest,
    MarketDataUpdateTradeCompact,
    OrderUpdate,
    PositionUpdate,
    fields_of,
)
from dtcpos.errors import LocalProtocolError
from tests.dtc.golden import FRAMING_FIELDS, PROTOCOL

# One union is told by its first member; two signs differ between the two headers and cannot matter.
NOT_IN_TABLE = {("HISTORICAL_PRICE_DATA_RECORD_RESPONSE", "NumTrades")}
SIGN_DIFFERS = {"Price1IsSet", "Price2IsSet", "SendQuantitiesGreaterOrEqualTo"}


def stated(row: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [
        field
        for field in row["fields"]
        if field["name"] not in FRAMING_FIELDS and (name, field["name"]) not in NOT_IN_TABLE
    ]


def test_every_message_of_the_protocol_has_a_table() -> None:
    """All types, names and sizes are those of the official headers."""
    known = {kind.type: (kind.name, kind.size, kind.vls_size) for kind in MESSAGE_TYPES.values()}
    assert known == {
        row["type"]: (name, row["fixed_size"], (row["vls"]["fixed_size"] or 0) if row["vls"]["has_own_struct"] else 0)
        for name, row in PROTOCOL["messages"].items()
    }


@pytest.mark.parametrize("name", PROTOCOL["messages"])
def test_every_fixed_field_lies_where_the_header_puts_it(name: str) -> None:
    """Name, order, offset, kind, default and sentinel of each field are those of the header."""
    row = PROTOCOL["messages"][name]
    kind = MESSAGE_TYPES[row["type"]]
    ours = [
        (field.name, field.at, field.code, field.default, field.has_unset)
        for field in kind.fields
        if field.at is not None
    ]
    assert ours == [
        (field["name"], field["offset"], field["fmt"], field["default"], "sentinel" in field)
        for field in stated(row, name)
    ]
    assert kind.is_compact == (name in PROTOCOL["json_compact_types_documented"])


@pytest.mark.parametrize("name", [name for name, row in PROTOCOL["messages"].items() if row["vls"]["has_own_struct"]])
def test_every_vls_field_lies_where_the_header_puts_it(name: str) -> None:
    """The struct with variable-length strings has its own offsets and one field of its own."""
    row = PROTOCOL["messages"][name]
    layout = MESSAGE_TYPES[row["type"]].vls
    assert layout is not None
    ours = [(field.name, field.vls, "HH" if field.is_text else field.code) for field in layout.fields]
    theirs = [(field["name"], field["offset"], field["fmt"]) for field in stated(row["vls"], name)]
    for (our_name, our_at, our_code), (name_, at, code) in zip(ours, theirs, strict=True):
        assert (our_name, our_at) == (name_, at)
        assert our_code == code or our_name in SIGN_DIFFERS
        assert struct.calcsize(our_code) == struct.calcsize(code)


def test_misspelt_names_are_the_real_names() -> None:
    """The wire's spelling traps are kept."""
    assert "MaxPotentialPostionQuantity" in PositionUpdate.field_by_name
    assert "TotalNumMessages" in OrderUpdate.field_by_name
    assert "TotalNumberMessages" in HistoricalOrderFillResponse.field_by_name
    assert "OpenOrClose" in OrderUpdate.field_by_name
    assert "OpenClose" in HistoricalOrderFillResponse.field_by_name


def test_what_is_left_out_is_the_constructors_default() -> None:
    """S2: an unset number reads as None, a zero as zero."""
    update = OrderUpdate(Symbol="MESZ26-CME", LastFillPrice=0)
    assert update.Symbol == "MESZ26-CME"
    assert update.LastFillPrice == 0.0
    assert update.Price1 is None
    assert update.LastFillDateTime == 0
    assert OrderUpdate(Price1=None) == OrderUpdate()


def test_a_message_is_a_value() -> None:
    """Equality, hash and repr go by value; nothing can be set."""
    update = OrderUpdate(Symbol="ES", Price1=1.5)
    assert update == OrderUpdate(Symbol="ES", Price1=1.5)
    assert hash(update) == hash(OrderUpdate(Symbol="ES", Price1=1.5))
    assert update != OrderUpdate(Symbol="NQ", Price1=1.5)
    assert update != PositionUpdate(Symbol="ES")
    assert repr(update) == "OrderUpdate(Symbol='ES', Price1=1.5)"
    with pytest.raises(AttributeError):
        update.Symbol = "NQ"  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        del update.Symbol
    with pytest.raises(AttributeError):
        update.note = "x"  # type: ignore[attr-defined]


def test_a_password_is_never_shown() -> None:
    """The repr of a logon may land in a log."""
    assert "hunter2" not in repr(LogonRequest(Username="me", Password="hunter2"))


@pytest.mark.parametrize(
    "values",
    [{"Symbl": "ES"}, {"Symbol": 5}, {"Symbol": None}, {"Price1": "5"}, {"OrderStatus": 1.5}, {"BuySell": None}],
)
def test_a_wrong_name_or_kind_is_our_mistake(values: dict[str, Any]) -> None:
    """A typo in a field's name must not pass in silence."""
    with pytest.raises(TypeError):
        OrderUpdate(**values)


def test_a_32_bit_float_is_kept_as_what_the_wire_can_hold() -> None:
    """A message equals itself after a trip over the wire."""
    assert MarketDataUpdateTradeCompact(Price=0.1).Price == 0.10000000149011612
    with pytest.raises(LocalProtocolError, match="32-bit"):
        MarketDataUpdateTradeCompact(Price=1e300)


def test_fields_of_tells_what_was_sent() -> None:
    """The decode command shows every field in wire order, unset and not finite as null."""
    fields = fields_of(OrderUpdate(Symbol="ES", LastFillPrice=float("nan")))
    assert list(fields) == [field.name for field in OrderUpdate.fields]
    assert fields["Symbol"] == "ES"
    assert fields["Price1"] is None
    assert fields["LastFillPrice"] is None
    assert OrderUpdate().present == len(OrderUpdate.fields)


def test_an_encoding_has_its_name_on_the_command_line() -> None:
    """binary, vls, json and compact, and nothing else."""
    assert [encoding.word for encoding in Encoding] == ["binary", "vls", "json", "compact"]
    assert [Encoding.of_word(encoding.word) for encoding in Encoding] == list(Encoding)
    with pytest.raises(KeyError):
        Encoding.of_word("protobuf")


def test_a_client_may_send_nothing_that_trades() -> None:
    """S6: the list is short, known, and free of order entry, fills, adjustments and journal entries."""
    assert {1, 3, 5, 6, 101, 300, 303, 305, 400, 500, 506, 601} == CLIENT_MAY_SEND
