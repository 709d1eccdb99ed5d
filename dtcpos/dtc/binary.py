"""Binary encodings: fixed structs, and structs with variable-length strings (VLS).

Fields are only ever added at a struct's end. A reader keeps the fields that lie wholly within what it received; a tail
it does not know is ignored. In VLS the presence of fields goes by BaseSize, and each string is an offset from the
first byte of the message and a length that counts the final NUL.
"""

from __future__ import annotations

import struct
from typing import Any, TypeVar

from dtcpos.dtc.fields import Field, Text
from dtcpos.dtc.message import SECRET_FIELDS, VLS_HEADER_SIZE, Layout, Message
from dtcpos.errors import LocalProtocolError

# The size field has 16 bits, so no honest frame is longer.
FRAME_SIZE_MAX = 0xFFFF

M = TypeVar("M", bound=Message)
Buffer = bytes | bytearray

_BASE_SIZE = struct.Struct("<H")


class Malformed(ValueError):
    """The content of one message cannot be read; the frames after it can.

    Never leaves the room: the connection returns it as a `Skipped`, counted under `reason`, a word of a fixed set.
    """

    def __init__(self, reason: str, detail: str = "", *, type_: int | None = None) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.type = type_


def decode_fixed(kind: type[M], buffer: Buffer, position: int, size: int) -> M:
    """Read the message of `size` bytes at `position` from its fixed struct."""
    layout = kind.fixed
    if size >= layout.whole_size and not kind.not_in_fixed:
        return kind.of_raw(layout.unpack_from(buffer, position))
    count = layout.present(size)
    raw = layout.prefix(count).unpack_from(buffer, position)
    absent = frozenset(field.name for field in kind.fields[count:])
    return kind.of_raw(raw + kind.defaults[count:], absent)


def decode_vls(kind: type[M], buffer: Buffer, position: int, size: int) -> M:
    """Read the message of `size` bytes at `position` from its struct with variable-length strings.

    Messages without strings have no such struct and keep the fixed one. Raises Malformed where BaseSize contradicts
    Size.
    """
    layout = kind.vls
    if layout is None:
        # The one message with strings whose struct nobody has published; shorter than the fixed form it is not that.
        if kind.type == 510 and size < kind.fixed.whole_size:
            raise Malformed("unknown layout", kind.name, type_=kind.type)
        return decode_fixed(kind, buffer, position, size)
    base_size = _BASE_SIZE.unpack_from(buffer, position + 4)[0] if size >= VLS_HEADER_SIZE else 0
    if not VLS_HEADER_SIZE <= base_size <= size:
        raise Malformed("bad base size", f"{kind.name} of {size} bytes states {base_size}", type_=kind.type)
    count = layout.present(base_size)
    values = iter(layout.prefix(count).unpack_from(buffer, position))
    raw = list(kind.defaults)
    for field in layout.fields[:count]:
        value = next(values)
        if field.is_text:
            value = _string(buffer, position, size, value, next(values))
        raw[field.index] = value
    absent = frozenset(field.name for field in layout.fields[count:])
    return kind.of_raw(tuple(raw), absent)


def _string(buffer: Buffer, position: int, size: int, offset: int, length: int) -> bytes:
    if not offset or length <= 1 or offset + length > size:
        return b""
    start = position + offset
    return bytes(buffer[start : start + length])


def encode_fixed(message: Message) -> bytes:
    """Write the message as its fixed struct, holes zero.

    Raises LocalProtocolError for a number or a text that does not fit.
    """
    layout = message.fixed
    raw = [
        _fixed_text(field, value) if field.is_text else value
        for field, value in zip(layout.fields, message._raw, strict=False)
    ]
    return _packed(message, layout, layout.size, raw)


def encode_vls(message: Message) -> bytes:
    """Write the message as its struct with variable-length strings, strings behind it in the order of the fields."""
    layout = message.vls
    if layout is None:
        return encode_fixed(message)
    raw: list[Any] = [layout.size]
    strings: list[bytes] = []
    end = layout.size
    for field in layout.fields:
        value = message._raw[field.index]
        if not field.is_text:
            raw.append(value)
            continue
        text = _bytes_of(field.name, value)
        if not text:
            raw += (0, 0)
            continue
        raw += (end, len(text) + 1)
        strings.append(text + b"\0")
        end += len(text) + 1
    if end > FRAME_SIZE_MAX:
        raise LocalProtocolError(f"{message.name}: {end} bytes do not fit the 16-bit size")
    return _packed(message, layout, end, raw) + b"".join(strings)


def _packed(message: Message, layout: Layout, size: int, raw: list[Any]) -> bytes:
    try:
        return layout.pack(size, message.type, *raw)
    except (struct.error, OverflowError) as error:
        raise LocalProtocolError(f"{message.name}: {_misfit(message)} does not fit its field") from error


def _misfit(message: Message) -> str:
    numbers = [(field, message._raw[field.index]) for field in message.fields if not field.is_text]
    return ", ".join(f"{field.name}={value!r}" for field, value in numbers if not _fits(field.code, value))


def _fits(code: str, value: Any) -> bool:
    try:
        struct.pack("<" + code, value)
    except (struct.error, OverflowError):
        return False
    return True


def _fixed_text(field: Field[Any], value: str | bytes) -> bytes:
    assert isinstance(field, Text)
    text = _bytes_of(field.name, value)
    if len(text) > field.length:
        raise LocalProtocolError(f"{field.name}: {len(text)} characters do not fit {field.length}")
    return text


def _bytes_of(name: str, value: str | bytes) -> bytes:
    if isinstance(value, bytes):
        return value.partition(b"\0")[0]
    try:
        text = value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"{name}: {_shown(name, value)} has characters that 8-bit text cannot hold") from error
    if b"\0" in text:
        raise LocalProtocolError(f"{name}: {_shown(name, value)} holds a NUL")
    return text


def _shown(name: str, value: str) -> str:
    return "***" if name in SECRET_FIELDS else repr(value)
