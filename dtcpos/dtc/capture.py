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


def decode_stream(chunks: Iterable[bytes], encoding: Encoding) -> Iterator[Decoded]:
    """Yield the messages of one side of a captured session.

    An encoding response, or on the client's side the request, switches the encoding from the next byte on. Raises
    BrokenFraming, which carries the absolute `offset`, where a message cannot be read or bytes are left over at the
    end, after everything before it was yielded.
    """
    frames = FrameBuffer(encoding)
    symbol_ids: set[int] = set()
    for chunk in chunks:
        frames.append(chunk)
        while (frame := frames.next_frame()) is not None:
            start, end, spoken = frame
            offset = frames.offset + start
            try:
                type_, message = decode_frame(frames.buffer, start, end, spoken, symbol_ids)
            except Malformed as fault:
                raise BrokenFraming(str(fault), offset) from fault
            if message is not None:
                _follow(frames, symbol_ids, message, offset)
            yield Decoded(
                offset=offset,
                size=end - start,
                type=type_,
                name=message.name if message is not None else None,
                fields=fields_of(message) if message is not None else None,
            )
    if left := len(frames):
        raise BrokenFraming(f"{left} bytes of an incomplete message are left over", frames.offset + frames.position)


def _follow(frames: FrameBuffer, symbol_ids: set[int], message: Message, offset: int) -> None:
    match message:
        case EncodingRequest() | EncodingResponse():
            try:
                frames.encoding = Encoding(message.Encoding)
            except ValueError as error:
                raise BrokenFraming(f"encoding {message.Encoding} is not one dtcpos can read", offset) from error
        case MarketDataRequest() | MarketDataSnapshot():
            symbol_ids.add(message.SymbolID)
