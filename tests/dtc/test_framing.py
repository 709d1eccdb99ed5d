from __future__ import annotations

from typing import Any

import pytest

from dtcpos.dtc import BrokenFraming, Encoding, Heartbeat, PositionUpdate, encode
from dtcpos.dtc.codec import decode_frame
from dtcpos.dtc.framing import JSON_FRAME_SIZE_MAX, FrameBuffer
from tests.dtc.golden import STREAMS, VECTOR, expected, json_frame, read


def first_encoding(stream: dict[str, Any]) -> Encoding:
    word = stream["messages"][0]["encoding"] if stream["messages"] else "binary"
    if stream["name"].startswith("vls"):
        return Encoding.VLS
    return Encoding.of_word(word)


def split(stream: dict[str, Any], chunks: list[bytes]) -> tuple[list[bytes], int]:
    """Return the frames of a stream, following its encoding requests, and the number of bytes left."""
    frames = FrameBuffer(first_encoding(stream))
    found = []
    for chunk in chunks:
        frames.append(chunk)
        while (frame := frames.next_frame()) is not None:
            start, end, encoding = frame
            found.append(bytes(frames.buffer[start:end]))
            _, message = decode_frame(frames.buffer, start, end, encoding)
            if message is not None and message.type in (6, 7):
                frames.encoding = Encoding(message.Encoding)  # type: ignore[attr-defined]
    return found, len(frames)


def wire_of(row: dict[str, Any]) -> bytes | None:
    if row["name"] not in VECTOR or "expect" in row:
        return None
    if row["encoding"] == "json":
        return json_frame(row["name"], row["form"])
    return bytes.fromhex(VECTOR[row["name"]]["hex"])


CUTS = {"as captured": 0, "one byte": 1, "three bytes": 3, "whole": 1 << 20}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("stream", [s for s in STREAMS if not s.get("must_fail")], ids=lambda stream: stream["name"])
def test_every_stream_splits_into_its_messages(stream: dict[str, Any], cut: int) -> None:
    """S1: the same frames however the bytes arrive; an incomplete tail waits."""
    chunks = [bytes.fromhex(chunk) for chunk in stream["chunks_hex"]]
    whole = b"".join(chunks)
    if cut:
        chunks = [whole[i : i + cut] for i in range(0, len(whole), cut)]
    found, left = split(stream, chunks)
    assert left == stream.get("incomplete_tail", 0)
    assert len(found) == len(stream["messages"])
    for frame, row in zip(found, stream["messages"], strict=True):
        wire = wire_of(row)
        assert wire is None or frame == wire
        encoding = Encoding.of_word(row["encoding"])
        type_, message = decode_frame(frame, 0, len(frame), encoding)
        assert type_ == row["type"]
        if row["name"] in VECTOR:
            assert message is not None
            wanted = expected({**VECTOR[row["name"]], "absent": ()}, row.get("expect"))
            assert read(message, wanted) == wanted


@pytest.mark.parametrize("size", [0, 1, 3])
def test_a_size_below_its_own_header_ends_the_stream(size: int) -> None:
    """S5: never a loop; the error names the offset."""
    frames = FrameBuffer(Encoding.BINARY)
    frames.append(encode(Heartbeat(), Encoding.BINARY) + bytes((size, 0, 3, 0)))
    assert frames.next_frame() == (0, 16, Encoding.BINARY)
    with pytest.raises(BrokenFraming, match="offset 16") as caught:
        frames.next_frame()
    assert caught.value.offset == 16


def test_an_endless_json_text_is_cut_off() -> None:
    """S5: a text without a NUL is bounded, whether it comes at once or in pieces."""
    frames = FrameBuffer(Encoding.JSON)
    for _ in range(JSON_FRAME_SIZE_MAX // 4096):
        frames.append(b" " * 4096)
        assert frames.next_frame() is None
    frames.append(b" ")
    with pytest.raises(BrokenFraming, match="longer"):
        frames.next_frame()
    frames = FrameBuffer(Encoding.JSON)
    frames.append(b" " * JSON_FRAME_SIZE_MAX + b"\0")
    with pytest.raises(BrokenFraming, match="longer"):
        frames.next_frame()


def test_the_search_for_the_nul_goes_on_where_it_stopped() -> None:
    """A long text in many pieces is searched once; what was split before is forgotten."""
    frames = FrameBuffer(Encoding.JSON)
    text = encode(PositionUpdate(Symbol="S" * 5000), Encoding.JSON)
    for _ in range(3):
        found = []
        for byte in text:
            frames.append(bytes((byte,)))
            if (frame := frames.next_frame()) is not None:
                found.append(bytes(frames.buffer[frame[0] : frame[1]]))
        assert found == [text]
        assert len(frames.buffer) == len(text)
    assert frames.offset == 2 * len(text)


def test_a_binary_handshake_is_seen_among_json() -> None:
    """A server that always speaks JSON is still asked in binary, and captures begin so."""
    request = bytes.fromhex(VECTOR["encoding_request_json"]["hex"])
    text = json_frame("logon_request_minimal", "json")
    for size in (1, 2, 5, 1000):
        frames = FrameBuffer(Encoding.JSON)
        whole, found = request + text + request, []
        for i in range(0, len(whole), size):
            frames.append(whole[i : i + size])
            while (frame := frames.next_frame()) is not None:
                found.append((frame[2], bytes(frames.buffer[frame[0] : frame[1]])))
        assert found == [(Encoding.BINARY, request), (Encoding.JSON, text), (Encoding.BINARY, request)]


def test_a_control_byte_alone_waits_and_then_is_text() -> None:
    """Only the whole pattern of the handshake is binary."""
    frames = FrameBuffer(Encoding.JSON)
    frames.append(b"\x10")
    assert frames.next_frame() is None
    frames.append(b"\0ab\0")
    assert frames.next_frame() == (0, 2, Encoding.JSON)
    assert frames.next_frame() == (2, 5, Encoding.JSON)


def test_splitting_moves_nothing() -> None:
    """The buffer is consumed in place and given back at the next arrival."""
    frame = encode(Heartbeat(), Encoding.BINARY)
    frames = FrameBuffer(Encoding.BINARY)
    frames.append(frame * 100_000)
    count = 0
    while frames.next_frame() is not None:
        count += 1
    assert count == 100_000
    assert len(frames.buffer) == 100_000 * len(frame)
    frames.append(b"")
    assert not frames.buffer
