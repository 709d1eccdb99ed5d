"""Reading a captured byte stream back into messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import frozen

from dtcpos.dtc.binary import Malformed
from dtcpos.dtc.codec import decode_frame
from dtcpos.dtc.enums import Encoding
from dtcpos.dtc.framing import BrokenFraming, FrameBuffer
from dtcpos.dtc.message import Message, fields_of
from dtcpos.dtc.messages import (
    EncodingRequest,
    EncodingResponse,
    MarketDataRequest,
    MarketDataSnapshot,
)


@frozen(kw_only=True)
class Decoded:
    """One message of a capture: where it began, how long its whole frame was, and what it said.

    `name` and `fields` are None for a type that is not known.
    """

    offset: int
    size: int
    type: int
    name: str | None
    fields: dict[str, Any] | None


@frozen(kw_only=True)
class Frame:
    """One whole message of a capture as it was written: `octets` in `encoding`, and what it was read into.

    `message` is None for a type that is not known, and where the content cannot be read; then `fault` says why.
    """

    offset: int
    octets: bytes
    encoding: Encoding
    type: int | None
    message: Message | None
    fault: str = ""


def read_frames(chunks: Iterable[bytes], encoding: Encoding) -> Iterator[Frame]:
    """Yield the frames of one side of a captured session, those that cannot be read too.

    An encoding response, or on the client's side the request, switches the encoding from the next byte on. Raises
    BrokenFraming, which carries the absolute `offset`, where the bytes cannot be split any further or some are left
    over at the end, after everything before them was yielded.
    """
    frames = FrameBuffer(encoding)
    symbol_ids: set[int] = set()
    for chunk in chunks:
        frames.append(chunk)
        while (place := frames.next_frame()) is not None:
            start, end, spoken = place
            offset = frames.offset + start
            octets = bytes(frames.buffer[start:end])
            try:
                type_, message = decode_frame(octets, 0, len(octets), spoken, symbol_ids)
            except Malformed as fault:
                yield Frame(
                    offset=offset, octets=octets, encoding=spoken, type=fault.type, message=None, fault=str(fault)
                )
                continue
            if message is not None:
                _follow(frames, symbol_ids, message, offset)
            yield Frame(offset=offset, octets=octets, encoding=spoken, type=type_, message=message)
    if left := len(frames):
        raise BrokenFraming(f"{left} bytes of an incomplete message are left over", frames.offset + frames.position)


def decode_stream(chunks: Iterable[bytes], encoding: Encoding) -> Iterator[Decoded]:
    """Yield the messages of one side of a captured session.

    The encoding is followed as `read_frames` does. Raises BrokenFraming, which carries the absolute `offset`, where a
    message cannot be read or bytes are left over at the end, after everything before it was yielded.
    """
    for frame in read_frames(chunks, encoding):
        if frame.fault:
            raise BrokenFraming(frame.fault, frame.offset)
        assert frame.type is not None, "only what cannot be read has no type"
        message = frame.message
        yield Decoded(
            offset=frame.offset,
            size=len(frame.octets),
            type=frame.type,
            name=message.name if message is not None else None,
            fields=fields_of(message) if message is not None else None,
        )


def _follow(frames: FrameBuffer, symbol_ids: set[int], message: Message, offset: int) -> None:
    match message:
        case EncodingRequest() | EncodingResponse():
            try:
                frames.encoding = Encoding(message.Encoding)
            except ValueError as error:
                raise BrokenFraming(f"encoding {message.Encoding} is not one dtcpos can read", offset) from error
        case MarketDataRequest() | MarketDataSnapshot():
            symbol_ids.add(message.SymbolID)
