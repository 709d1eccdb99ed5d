"""One door to the four encodings."""

from __future__ import annotations

from collections.abc import Collection

from dtcpos.dtc.binary import Buffer, decode_fixed, decode_vls, encode_fixed, encode_vls
from dtcpos.dtc.enums import Encoding
from dtcpos.dtc.jsontext import encode_json, message_of, parse
from dtcpos.dtc.message import Message
from dtcpos.dtc.messages import MESSAGE_TYPES


def encode(message: Message, encoding: Encoding) -> bytes:
    """Write one message as it goes on the wire, the NUL of JSON included.

    Raises LocalProtocolError where a value does not fit the encoding.
    """
    if encoding is Encoding.BINARY:
        return encode_fixed(message)
    if encoding is Encoding.VLS:
        return encode_vls(message)
    return encode_json(message, is_compact=encoding is Encoding.JSON_COMPACT)


def decode_frame(
    buffer: Buffer, start: int, end: int, encoding: Encoding, symbol_ids: Collection[int] = ()
) -> tuple[int, Message | None]:
    """Read the frame between `start` and `end` into its type and its message, None for a type not known.

    Raises Malformed where the content cannot be read.
    """
    if encoding.is_text:
        type_, parsed = parse(bytes(buffer[start : end - 1]))
        kind = MESSAGE_TYPES.get(type_)
        return type_, message_of(kind, parsed, symbol_ids) if kind else None
    type_ = buffer[start + 2] | buffer[start + 3] << 8
    kind = MESSAGE_TYPES.get(type_)
    if kind is None:
        return type_, None
    decode = decode_vls if encoding is Encoding.VLS else decode_fixed
    return type_, decode(kind, buffer, start, end - start)


def decode(frame: bytes, encoding: Encoding, symbol_ids: Collection[int] = ()) -> Message | None:
    """Read one whole frame, the NUL of JSON included; None for a type not known."""
    return decode_frame(frame, 0, len(frame), encoding, symbol_ids)[1]
