"""A file that a secret does not get into: bytes are written as they come, the secret blotted out.

A server may quote a password in its refusal, and a capture is made to be shown to others. What is put in its place is
as long, so that messages keep their size. Bytes at the end that may be the beginning of the secret are held back until
more have come or the file is closed.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import BinaryIO, Final, Self

_BLOT: Final = b"*"
# As in `dtc.hiding`: a shorter one is everywhere by chance.
_SIZE_MIN: Final = 3


class BlottedFile:
    """A binary file, open for writing; `secret` is looked for as it may be written in any encoding."""

    def __init__(self, file: BinaryIO, secret: str) -> None:
        self._file = file
        spelled = {secret.encode(), secret.encode("latin-1", "ignore"), json.dumps(secret)[1:-1].encode()}
        self._secrets = sorted((each for each in spelled if len(each) >= _SIZE_MIN), key=len, reverse=True)
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


def _overlap(octets: bytes, secret: bytes) -> int:
    """Return how many bytes at the end may be the beginning of the secret."""
    for size in range(min(len(secret) - 1, len(octets)), 0, -1):
        if octets.endswith(secret[:size]):
            return size
    return 0
