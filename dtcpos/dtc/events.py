"""What a connection tells besides messages."""

from __future__ import annotations

from enum import Enum

from attrs import frozen


class NeedData(Enum):
    """The type of NEED_DATA."""

    NEED_DATA = "NEED_DATA"


# Nothing more can be said until more bytes arrive.
NEED_DATA = NeedData.NEED_DATA


@frozen(kw_only=True)
class Skipped:
    """A message that was passed over and counted; the session goes on.

    `reason` is a word of a fixed set: unknown type, not served, malformed JSON, not an object, no type, wrong value,
    bad base size, unknown layout, not finite. `type` is None where not even that could be read.
    """

    reason: str
    type: int | None = None
    size: int = 0
    detail: str = ""


@frozen(kw_only=True)
class Closed:
    """The session is over, told once, after the last message; `reason` is fit for a person to read."""

    reason: str
