from __future__ import annotations

import struct
from typing import Any

import pytest

from dtcpos.dtc import (
    MESSAGE_TYPES,
    AccountBalanceUpdate,
    Encoding,
    HistoricalOrderFillResponse,
    Message,
    OrderUpdate,
    PositionUpdate,
    SecurityDefinitionResponseV2,
    TradeAccountResponse,
    decode,
    encode,
    fields_of,
)
from dtcpos.dtc.binary import Malformed
from dtcpos.errors import LocalProtocolError
from tests.dtc.golden import DEFAULTS, VECTORS, encoding_of, expected, read

# The headers' two constructors disagree in these, and ours is that of the fixed struct.
VLS_DEFAULT_DIFFERS = {"LOGON_RESPONSE", "MARKET_DEPTH_REQUEST"}


def decoded(frame: bytes, encoding: Encoding = Encoding.BINARY) -> Message:
    message = decode(frame, encoding)
    assert message is not None
    return message


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_every_vector_reads_as_it_was_written(vector: dict[str, Any]) -> None:
    """S2: official structs, short, long, cut, padded with anything and full of text, read field by field."""
    message = decoded(bytes.fromhex(vector["hex"]), encoding_of(vector["encoding"]))
    wanted = expected(vector)
    assert message.name == vector["message"]
    assert read(message, wanted) == wanted
    assert set(vector.get("absent", ())) <= message.absent
    for name in vector.get("absent", ()):
        assert fields_of(message)[name] in (None, "")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_every_vector_survives_writing_it_again(vector: dict[str, Any]) -> None:
    """What is read and written again reads the same; whole structs come out byte for byte."""
    frame = bytes.fromhex(vector["hex"])
    encoding = encoding_of(vector["encoding"])
    message = decoded(frame, encoding)
    again = encode(message, encoding)
    assert decoded(again, encoding) == message
    has_garbage = vector["name"] in ("position_padding_cc", "order_update_garbage_after_nul")
    if encoding is Encoding.BINARY and vector["size"] == message.size and not has_garbage:
        assert again == frame


@pytest.mark.parametrize("row", DEFAULTS, ids=lambda row: f"{row['message']}-{row['encoding']}")
def test_a_message_of_defaults_is_the_constructors_bytes(row: dict[str, Any]) -> None:
    """Defaults are those of the official constructors, to the byte."""
    encoding = encoding_of(row["encoding"])
    ours = encode(MESSAGE_TYPES[row["type"]](), encoding)
    if encoding is Encoding.VLS and row["message"] in VLS_DEFAULT_DIFFERS:
        assert len(ours) == len(bytes.fromhex(row["hex"]))
    else:
        assert ours.hex() == row["hex"]


def test_a_message_cut_anywhere_keeps_the_fields_it_holds() -> None:
    """S2: for every length, whole fields are read and the rest is at its default."""
    whole = HistoricalOrderFillResponse(Symbol="ES", Price=5.5, PositionQuantity=3, SenderSubID="x", OpenClose=2)
    frame = bytearray(encode(whole, Encoding.BINARY))
    for size in range(4, len(frame)):
        frame[:2] = struct.pack("<H", size)
        message = decoded(bytes(frame[:size]))
        for field in whole.fields:
            is_there = field.at is not None and field.at + field.width <= size
            assert (field.name in message.absent) is not is_there
            reference = whole if is_there else type(whole)()
            assert getattr(message, field.name) == getattr(reference, field.name)


@pytest.mark.parametrize("tail", [b"\xcc", b"\0" * 100, b"\xff" * 1000])
def test_a_longer_message_is_read_as_far_as_it_is_known(tail: bytes) -> None:
    """S2: a newer sender's tail is ignored."""
    frame = encode(PositionUpdate(Symbol="ES", Quantity=-2), Encoding.BINARY) + tail
    frame = struct.pack("<H", len(frame)) + frame[2:]
    assert decoded(frame) == PositionUpdate(Symbol="ES", Quantity=-2)


@pytest.mark.parametrize("word", ["binary", "vls"])
def test_text_of_full_length_needs_no_terminator(word: str) -> None:
    """S2: an array without a NUL is read to its end."""
    message = OrderUpdate(Symbol="S" * 64, TradeAccount="é" * 32)
    assert decoded(encode(message, encoding_of(word)), encoding_of(word)) == message


def test_what_does_not_fit_is_refused_with_its_name() -> None:
    """A text or number is never cut in silence: a shortened account is another account."""
    with pytest.raises(LocalProtocolError, match=r"TradeAccount: 33 characters"):
        encode(OrderUpdate(TradeAccount="A" * 33), Encoding.BINARY)
    with pytest.raises(LocalProtocolError, match=r"RequestID=2147483648"):
        encode(OrderUpdate(RequestID=2**31), Encoding.BINARY)
    with pytest.raises(LocalProtocolError, match=r"RequestID=2147483648"):
        encode(OrderUpdate(RequestID=2**31), Encoding.VLS)
    with pytest.raises(LocalProtocolError, match="8-bit"):
        encode(OrderUpdate(InfoText="€"), Encoding.BINARY)
    with pytest.raises(LocalProtocolError, match="NUL"):
        encode(OrderUpdate(InfoText="a\0b"), Encoding.VLS)
    with pytest.raises(LocalProtocolError, match="16-bit"):
        encode(OrderUpdate(InfoText="a" * 70_000), Encoding.VLS)


@pytest.mark.parametrize(("offset", "length"), [(0, 5), (28, 0), (28, 1), (28, 99), (65535, 65535)])
def test_a_string_that_points_nowhere_is_empty(offset: int, length: int) -> None:
    """The official reader's rule for variable-length strings."""
    frame = bytearray(encode(TradeAccountResponse(TradeAccount="Sim1", RequestID=7), Encoding.VLS))
    frame[16:20] = struct.pack("<HH", offset, length)
    message = decoded(bytes(frame), Encoding.VLS)
    assert isinstance(message, TradeAccountResponse)
    assert (message.TradeAccount, message.RequestID) == ("", 7)


@pytest.mark.parametrize("base_size", [0, 3, 5, 999])
def test_a_base_size_that_contradicts_the_size_is_malformed(base_size: int) -> None:
    """S5: such a message is not read at all."""
    frame = bytearray(encode(TradeAccountResponse(TradeAccount="Sim1"), Encoding.VLS))
    frame[4:6] = struct.pack("<H", base_size)
    with pytest.raises(Malformed, match="bad base size"):
        decode(bytes(frame), Encoding.VLS)
    with pytest.raises(Malformed, match="bad base size"):
        decode(struct.pack("<HH", 4, 401), Encoding.VLS)


def test_presence_goes_by_the_base_size() -> None:
    """An older sender's base is shorter, and its strings begin where a newer one has fields."""
    frame = bytearray(encode(TradeAccountResponse(TradeAccount="Sim1", TradingIsDisabled=1), Encoding.VLS))
    frame[4:6] = struct.pack("<H", 24)
    message = decoded(bytes(frame), Encoding.VLS)
    assert isinstance(message, TradeAccountResponse)
    assert message.absent == {"TradingIsDisabled"}
    assert (message.TradeAccount, message.TradingIsDisabled) == ("Sim1", 0)


def test_a_field_of_one_struct_only_is_told_only_there() -> None:
    """600 has one more field with variable-length strings."""
    balance = AccountBalanceUpdate(CashBalance=5, EndOfDayAccountValue=7)
    assert decoded(encode(balance, Encoding.VLS), Encoding.VLS) == balance
    fixed = decoded(encode(balance, Encoding.BINARY))
    assert "EndOfDayAccountValue" not in fields_of(fixed)
    assert fixed == AccountBalanceUpdate(CashBalance=5)


def test_the_one_unpublished_layout_is_not_guessed() -> None:
    """510 with variable-length strings is skipped unless it has the fixed form."""
    frame = encode(SecurityDefinitionResponseV2(Symbol="ES"), Encoding.VLS)
    assert decode(frame, Encoding.VLS) == SecurityDefinitionResponseV2(Symbol="ES")
    with pytest.raises(Malformed, match="unknown layout"):
        decode(struct.pack("<H", 100) + frame[2:100], Encoding.VLS)


def test_garbage_behind_the_nul_and_in_the_holes_means_nothing() -> None:
    """Senders leave anything behind the NUL of a text and in the holes between fields."""
    whole = OrderUpdate(Symbol="ES", TradeAccount="", LastFillPrice=5.0, NoOrders=1)
    frame = bytearray(encode(whole, Encoding.BINARY))
    frame[16 + 3 : 80] = b"\xcc" * 61
    frame[393:424] = b"\xcc" * 31
    frame[260:264] = b"\xcc" * 4
    frame[585:588] = b"\xcc" * 3
    message = decoded(bytes(frame))
    assert message == whole
    assert encode(message, Encoding.BINARY) == encode(whole, Encoding.BINARY)


def test_a_sentinel_of_the_other_width_is_unset_too() -> None:
    """Compared by magnitude: a float's maximum widened to a double is no price."""
    assert OrderUpdate(Price1=3.4028234663852886e38).Price1 is None
    assert OrderUpdate(Price1=1e38).Price1 == 1e38
    assert OrderUpdate(Price1=float("inf")).Price1 == float("inf")
