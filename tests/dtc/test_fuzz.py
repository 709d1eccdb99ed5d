from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.dtc import (
    MESSAGE_TYPES,
    BrokenFraming,
    Connection,
    Encoding,
    EncodingResponse,
    LogonRequest,
    LogonResponse,
    Message,
    Role,
    State,
    decode,
    decode_stream,
    encode,
    fields_of,
)
from dtcpos.dtc.binary import FRAME_SIZE_MAX, Malformed
from dtcpos.dtc.framing import JSON_FRAME_SIZE_MAX
from dtcpos.errors import RemoteProtocolError
from tests.dtc.golden import JSON_VECTORS, VECTORS

FRAMES = {
    Encoding.BINARY: [bytes.fromhex(vector["hex"]) for vector in VECTORS if vector["encoding"] == "binary"],
    Encoding.VLS: [bytes.fromhex(vector["hex"]) for vector in VECTORS if vector["encoding"] == "vls"],
    Encoding.JSON: [row["json"].encode("latin-1") + b"\0" for row in JSON_VECTORS],
    Encoding.JSON_COMPACT: [row.get("json_compact", row["json"]).encode("latin-1") + b"\0" for row in JSON_VECTORS],
}


def read_everything(connection: Connection, wire: bytes, piece: int) -> None:
    """Feed the wire in pieces and read every message's every field, to the end or to the fault."""
    bound = max(FRAME_SIZE_MAX, JSON_FRAME_SIZE_MAX) + piece
    try:
        for i in range(0, len(wire), piece):
            connection.receive_data(wire[i : i + piece], 0)
            for event in connection.events():
                if isinstance(event, Message):
                    json.dumps(fields_of(event), allow_nan=False)
                    repr(event)
            assert len(connection._frames.buffer) <= bound
        connection.receive_data(b"", 0)
        list(connection.events())
        assert connection.state is State.CLOSED
    except RemoteProtocolError:
        assert connection.state is State.FAILED


def reader(role: Role, encoding: Encoding, *, is_logged_on: bool) -> Connection:
    connection = Connection(role, encoding=encoding, negotiate=False)
    connection.start(0)
    if is_logged_on:
        if role is Role.CLIENT:
            connection.send(LogonRequest())
            connection.receive_data(encode(LogonResponse(), encoding), 0)
            list(connection.events())
            connection.watch(7, 1, 9)
        else:
            connection.receive_data(encode(LogonRequest(), encoding), 0)
            list(connection.events())
            connection.send(LogonResponse())
    return connection


@st.composite
def mutated(draw: st.DrawFn, encoding: Encoding) -> bytes:
    """Draw a run of golden frames of which some bytes are changed, cut out or put in."""
    wire = bytearray(b"".join(draw(st.lists(st.sampled_from(FRAMES[encoding]), min_size=1, max_size=6))))
    for _ in range(draw(st.integers(0, 8))):
        at = draw(st.integers(0, len(wire)))
        change = draw(st.sampled_from(["set", "cut", "put"]))
        if change == "set":
            wire[at : at + 1] = bytes((draw(st.integers(0, 255)),))
        elif change == "cut":
            del wire[at : at + draw(st.integers(1, 40))]
        else:
            wire[at:at] = draw(st.binary(max_size=40))
    return bytes(wire)


@given(
    wire=st.one_of(st.binary(max_size=3000), *[mutated(encoding) for encoding in Encoding]),
    encoding=st.sampled_from(Encoding),
    role=st.sampled_from(Role),
    piece=st.sampled_from([1, 3, 64, 5000]),
    is_logged_on=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_no_bytes_do_worse_than_end_the_session(
    wire: bytes, encoding: Encoding, role: Role, piece: int, is_logged_on: bool
) -> None:
    """S5: garbage and damaged messages never raise anything but RemoteProtocolError, never hang, never pile up."""
    read_everything(reader(role, encoding, is_logged_on=is_logged_on), wire, piece)


@given(wire=st.binary(max_size=2000))
@settings(max_examples=100, deadline=None)
def test_no_first_bytes_do_worse_than_end_the_session(wire: bytes) -> None:
    """S5: the same before anything is negotiated."""
    for role in Role:
        connection = Connection(role)
        connection.start(0)
        read_everything(connection, wire, 17)


@given(wire=st.one_of(st.binary(max_size=3000), *[mutated(encoding) for encoding in Encoding]), data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_capture_of_anything_is_told_or_refused(wire: bytes, data: st.DataObject) -> None:
    """S5: decode ends with the last good message and at most one fault, with an offset inside the file."""
    encoding = data.draw(st.sampled_from(Encoding))
    end = 0
    try:
        for told in decode_stream([wire], encoding):
            assert told.offset == end
            end += told.size
            json.dumps(told.fields, allow_nan=False)
    except BrokenFraming as error:
        refused_at = error.offset
    else:
        refused_at = len(wire)
    assert refused_at == end


@given(wire=mutated(Encoding.BINARY), cuts=st.lists(st.integers(1, 200), max_size=20))
@settings(max_examples=150, deadline=None)
def test_the_same_bytes_are_the_same_events_however_they_are_cut(wire: bytes, cuts: list[int]) -> None:
    """S1, N10: any split into reads gives the same messages and the same fault."""
    told = []
    for pieces in ([len(wire)], cuts):
        connection = reader(Role.CLIENT, Encoding.BINARY, is_logged_on=True)
        events: list[object] = []
        at = 0
        try:
            for size in [*pieces, len(wire)]:
                if at < len(wire):
                    connection.receive_data(wire[at : at + size], 0)
                at += size
                for event in connection.events():
                    events.append(repr(event))
        except RemoteProtocolError as error:
            events.append(str(error))
        told.append(events)
    assert told[0] == told[1]


INTEGERS = {"b": (-(2**7), 2**7 - 1), "B": (0, 2**8 - 1), "h": (-(2**15), 2**15 - 1), "H": (0, 2**16 - 1)}
INTEGERS |= {"i": (-(2**31), 2**31 - 1), "I": (0, 2**32 - 1), "q": (-(2**63), 2**63 - 1), "Q": (0, 2**64 - 1)}
TEXT = st.characters(min_codepoint=1, max_codepoint=255)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Draw a message of any type with any values its fields can hold."""
    kind = draw(st.sampled_from(list(MESSAGE_TYPES.values())))
    values: dict[str, object] = {}
    for field in draw(st.lists(st.sampled_from(kind.fields), max_size=8, unique_by=lambda field: field.name)):
        if field.at is None:
            continue
        if field.is_text:
            values[field.name] = draw(st.text(TEXT, max_size=field.width))
        elif field.code in "fd":
            width = 32 if field.code == "f" else 64
            values[field.name] = draw(st.floats(allow_nan=False, allow_infinity=False, width=width))
        else:
            low, high = INTEGERS[field.code]
            values[field.name] = draw(st.integers(low, high))
    return kind(**values)


@given(message=messages(), encoding=st.sampled_from(Encoding))
@settings(max_examples=400, deadline=None)
def test_every_message_survives_the_wire(message: Message, encoding: Encoding) -> None:
    """S1: what is written in any encoding reads back equal."""
    assert decode(encode(message, encoding), encoding) == message


@given(
    text=st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=5),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_any_value_in_any_field_is_read_or_malformed(text: object, data: st.DataObject) -> None:
    """S5: JSON can put anything anywhere."""
    kind = data.draw(st.sampled_from(list(MESSAGE_TYPES.values())))
    field = data.draw(st.sampled_from(kind.fields))
    frame = json.dumps({"Type": kind.type, field.name: text, "F": data.draw(st.just([text]) | st.none())}).encode()
    try:
        message = decode(frame + b"\0", Encoding.JSON)
    except Malformed:
        return
    assert message is not None
    json.dumps(fields_of(message), allow_nan=False)


def test_a_flood_is_counted_in_bounded_space() -> None:
    """S5: a million different strangers fill neither the counter nor the buffer."""
    client = reader(Role.CLIENT, Encoding.BINARY, is_logged_on=True)
    client.receive_data(encode(EncodingResponse(Encoding=2), Encoding.BINARY), 0)
    list(client.events())
    for start in range(0, 200_000, 1000):
        client.receive_data(b"".join(b'{"Type":%d}\0' % (100_000 + i) for i in range(start, start + 1000)), 0)
        list(client.events())
    assert client.skipped == {"no type": 200_000}
