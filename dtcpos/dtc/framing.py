"""Splitting a stream of bytes into frames, in place.

Binary frames carry their size in 16 bits; JSON frames end with a NUL. Both are bounded, and a frame that can never be
completed ends the stream with an error that names the offset.
"""

from __future__ import annotations

import struct

from dtcpos.dtc.enums import Encoding
from dtcpos.dtc.message import HEADER_SIZE
from dtcpos.errors import RemoteProtocolError

HEADER = struct.Struct("<HH")

# A binary frame ends at 64 KiB; the same message as JSON, every character escaped, stays well below this.
JSON_FRAME_SIZE_MAX = 1024 * 1024

# ENCODING_REQUEST and ENCODING_RESPONSE always may come in binary; their sizes seen are 16 and 20 bytes.
_HANDSHAKES = tuple(bytes((size, 0, kind, 0)) for size in (16, 20) for kind in (6, 7))


class BrokenFraming(RemoteProtocolError):
    """The stream cannot be split any further; `offset` counts from its first byte."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} at offset {offset}")
        self.offset = offset


class FrameBuffer:
    """Bytes received and not yet split.

    `next_frame` gives (start, end, encoding of this frame) within `buffer`, valid until the next `append`.
    """

    __slots__ = ("_searched", "buffer", "encoding", "offset", "position")

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self.buffer = bytearray()
        self.position = 0
        self.offset = 0
        self._searched = 0

    def __len__(self) -> int:
        return len(self.buffer) - self.position

    def append(self, received: bytes) -> None:
        """Add received bytes; what was split before is dropped."""
        if self.position:
            # Deleting at the front of a bytearray moves its start and copies nothing.
            del self.buffer[: self.position]
            self.offset += self.position
            self._searched = max(0, self._searched - self.position)
            self.position = 0
        self.buffer += received

    def clear(self) -> None:
        """Drop everything that waits."""
        self.buffer.clear()
        self.position = self._searched = 0

    def next_frame(self) -> tuple[int, int, Encoding] | None:
        """Return the next whole frame, None while it is incomplete; raises BrokenFraming."""
        start = self.position
        if self.encoding >= Encoding.JSON and not self._at_handshake():
            return self._next_json_frame()
        waiting = len(self.buffer) - start
        if waiting < HEADER_SIZE:
            return None
        size, _ = HEADER.unpack_from(self.buffer, start)
        if size < HEADER_SIZE:
            raise BrokenFraming(f"a message states a size of {size}, less than its own header,", self.offset + start)
        if waiting < size:
            return None
        self.position = start + size
        return start, start + size, Encoding.BINARY if self.encoding >= Encoding.JSON else self.encoding

    def _at_handshake(self) -> bool:
        # A server that always speaks JSON is still asked in binary, and a capture of a JSON session begins so. JSON
        # text can begin with neither of these bytes.
        start = self.position
        return self.buffer.startswith(_HANDSHAKES, start)

    def _next_json_frame(self) -> tuple[int, int, Encoding] | None:
        start = self.position
        if self.buffer[start : start + 1].startswith((b"\x10", b"\x14")) and len(self) < HEADER_SIZE:
            return None
        found = self.buffer.find(0, max(start, self._searched))
        end = found + 1 if found >= 0 else len(self.buffer)
        if end - start > JSON_FRAME_SIZE_MAX:
            raise BrokenFraming(f"a JSON message is longer than {JSON_FRAME_SIZE_MAX} bytes", self.offset + start)
        if found < 0:
            self._searched = len(self.buffer)
            return None
        self.position = end
        return start, end, self.encoding
