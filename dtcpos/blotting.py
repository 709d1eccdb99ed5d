"""A file that a secret does not get into: bytes are written as they come, the secret blotted out.

A server may quote a password in its refusal, and a capture is made to be shown to others. What is put in its place is
as long, so that messages keep their size. Bytes at the end that may be the beginning of the secret are held back until
more have come or the file is closed.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import BinaryIO, Final, Self

from dtcpos.dtc.hiding import SECRET_SIZE_MIN

_BLOT: Final = b"*"
_ESCAPE: Final = re.compile(r"\\u([0-9a-f]{4})")


class BlottedFile:
    """A binary file, open for writing; `secret` is looked for as it may be written in any encoding."""

    def __init__(self, file: BinaryIO, secret: str) -> None:
        self._file = file
        spelled = [each for each in _spellings(secret) if len(each) >= SECRET_SIZE_MIN]
        self._secrets = sorted(spelled, key=len, reverse=True)
        self._held = b""

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._file.closed

    def write(self, octets: bytes) -> None:
        """Write what is safe to write; raises OSError as the file does."""
        octets = self._held + octets
        for secret in self._secrets:
            octets = octets.replace(secret, _BLOT * len(secret))
        held = max((_overlap(octets, secret) for secret in self._secrets), default=0)
        # Forgotten first: what could not be written is not tried again when the file is closed.
        self._held = b""
        self._file.write(octets[: len(octets) - held])
        self._held = octets[len(octets) - held :]

    def close(self) -> None:
        """Write what was held back, and close the file; raises OSError as the file does."""
        if not self._file.closed:
            held, self._held = self._held, b""
            try:
                if held:
                    self._file.write(held)
            finally:
                self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The end of a capture that does not fit any more is no reason to end anything else.
        with suppress(OSError):
            self.close()


def _spellings(secret: str) -> set[bytes]:
    """Return the secret as a server may write it: in binary, and in JSON with more or fewer characters escaped."""
    escaped, literal = (json.dumps(secret, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False))
    capital = _ESCAPE.sub(lambda match: f"\\u{match[1].upper()}", escaped)
    texts = {secret, *(each for text in (escaped, literal, capital) for each in (text, text.replace("/", "\\/")))}
    return {text.encode(code, "ignore") for text in texts for code in ("utf-8", "latin-1", "cp1252")}


def _overlap(octets: bytes, secret: bytes) -> int:
    """Return how many bytes at the end may be the beginning of the secret."""
    for size in range(min(len(secret) - 1, len(octets)), 0, -1):
        if octets.endswith(secret[:size]):
            return size
    return 0
