from __future__ import annotations

from typing import Any

import pytest

from dtcpos.dtc import (
    BrokenFraming,
    Decoded,
    Encoding,
    EncodingResponse,
    Heartbeat,
    LogonResponse,
    MarketDataSnapshot,
    OrderUpdate,
    PositionUpdate,
    decode_stream,
    encode,
)
from tests.dtc.golden import STREAMS, VECTOR

BEAT = encode(Heartbeat(CurrentDateTime=5), Encoding.BINARY)


def good_then_error(chunks: list[bytes], encoding: Encoding) -> tuple[list[Decoded], int]:
    good: list[Decoded] = []
    with pytest.raises(BrokenFraming) as caught:
        good.extend(decode_stream(chunks, encoding))
    return good, caught.value.offset


def test_a_message_is_told_with_its_place_and_its_fields() -> None:
    """The decode command: offset, whole size, type, name, and fields in wire order without the framing ones."""
    (beat, update) = decode_stream([BEAT + encode(OrderUpdate(Symbol="ES"), Encoding.BINARY)], Encoding.BINARY)
    assert beat == Decoded(
        offset=0, size=16, type=3, name="HEARTBEAT", fields={"NumDroppedMessages": 0, "CurrentDateTime": 5}
    )
    assert (update.offset, update.size, update.type, update.name) == (16, 720, 301, "ORDER_UPDATE")
    assert update.fields is not None
    assert update.fields["Price1"] is None
    assert not {"Size", "Type", "BaseSize"} & update.fields.keys()


def test_a_field_the_sender_was_too_short_for_is_null() -> None:
    """The decode command: a number that is absent is null, an absent text is empty."""
    frame = bytes.fromhex(VECTOR["trade_account_2022_sender"]["hex"])
    (told,) = decode_stream([frame], Encoding.BINARY)
    assert told.fields is not None
    assert told.fields["TradingIsDisabled"] is None


@pytest.mark.parametrize("encoding", [Encoding.BINARY, Encoding.JSON])
def test_an_unknown_type_has_neither_name_nor_fields(encoding: Encoding) -> None:
    """It is stepped over by its size."""
    frame = b"\x08\x00\x10\x27abcd" if encoding is Encoding.BINARY else b'{"Type":10000,"a":1}\0'
    told, beat = decode_stream([frame + encode(Heartbeat(), encoding)], encoding)
    assert told == Decoded(offset=0, size=len(frame), type=10000, name=None, fields=None)
    assert beat.name == "HEARTBEAT"


@pytest.mark.parametrize("encoding", Encoding)
def test_a_response_inside_the_stream_switches_the_encoding(encoding: Encoding) -> None:
    """The first byte behind the response is in the new encoding, also where the capture is said to be JSON."""
    stream = encode(EncodingResponse(Encoding=encoding), Encoding.BINARY)
    for message in (LogonResponse(ResultText="hello"), PositionUpdate(Symbol="ES", Quantity=2), OrderUpdate()):
        stream += encode(message, encoding)
    for said in (Encoding.BINARY, encoding):
        told = list(decode_stream([stream[i : i + 7] for i in range(0, len(stream), 7)], said))
        assert [message.type for message in told] == [7, 2, 306, 301]
        assert sum(message.size for message in told) == len(stream)
        assert told[2].fields is not None
        assert told[2].fields["Symbol"] == "ES"


@pytest.mark.parametrize("stream", [s for s in STREAMS if "session" in s], ids=lambda stream: stream["name"])
def test_the_clients_side_is_followed_by_its_request(stream: dict[str, Any]) -> None:
    """A capture of what the client sent holds no response."""
    told = list(decode_stream([bytes.fromhex(chunk) for chunk in stream["chunks_hex"]], Encoding.BINARY))
    assert [message.type for message in told] == [row["type"] for row in stream["messages"]]
    assert all(message.name for message in told)


@pytest.mark.parametrize(
    ("tail", "encoding"),
    [
        (b"\0\0\3\0", Encoding.BINARY),
        (b"\x10\0\3", Encoding.BINARY),
        (b"\x10\0\3\0\0", Encoding.VLS),
        (b'{"Type":3}', Encoding.JSON),
        (b'{"Type":\0', Encoding.JSON),
        (b'{"Type":301,"Symbol":7}\0', Encoding.JSON_COMPACT),
        (b"\x08\0\x91\x01\xff\xff\0\0", Encoding.VLS),
        (encode(EncodingResponse(Encoding=4), Encoding.BINARY), Encoding.BINARY),
    ],
)
def test_what_was_good_is_told_before_the_fault(tail: bytes, encoding: Encoding) -> None:
    """S5: the good messages, then one error with the offset where they end."""
    good = encode(Heartbeat(CurrentDateTime=5), encoding) * 3
    told, offset = good_then_error([good + tail], encoding)
    assert [message.name for message in told] == ["HEARTBEAT"] * 3
    assert offset == len(good)


def test_the_order_of_compact_fields_is_learned_from_the_stream() -> None:
    """A snapshot names the symbol's id, which settles how a trade's array is ordered."""
    stream = encode(MarketDataSnapshot(SymbolID=77), Encoding.JSON_COMPACT) + b'{"Type":112,"F":[77,1,5000.5,2,9]}\0'
    _, trade = decode_stream([stream], Encoding.JSON_COMPACT)
    assert trade.fields == {"Price": 5000.5, "Volume": 2.0, "DateTime": 9, "SymbolID": 77, "AtBidOrAsk": 1}


def test_nothing_is_a_capture_too() -> None:
    """An empty file has no messages and no fault."""
    assert list(decode_stream([], Encoding.BINARY)) == []
