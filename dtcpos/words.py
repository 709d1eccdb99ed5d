"""The words of dtcpos: what a noun's field may say, and the keys nouns are kept under.

Apart from the nouns, because a listing needs the words and can do without classes that take as long to make as all else
it does. `model` has them all.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

ZERO = Decimal(0)


class Mode(StrEnum):
    """The two modes the rules can decide; a person may name others with `accounts set`."""

    SIM = "SIM"
    LIVE = "LIVE"


class Side(StrEnum):
    """Side of a fill or an order."""

    BUY = "BUY"
    SELL = "SELL"


class Direction(StrEnum):
    """Side of a position or a trade."""

    LONG = "LONG"
    SHORT = "SHORT"


class Source(StrEnum):
    """How a fill came to be known."""

    LIVE = "LIVE"
    BACKFILL = "BACKFILL"
    IMPORT = "IMPORT"
    MANUAL = "MANUAL"
    ADJUSTMENT = "ADJUSTMENT"


class Action(StrEnum):
    """What a fill did to the position it belongs to."""

    OPENED = "OPENED"
    INCREASED = "INCREASED"
    REDUCED = "REDUCED"
    CLOSED = "CLOSED"
    REVERSED = "REVERSED"


class Status(StrEnum):
    """How true a position is known to be, worst first."""

    BREAK = "BREAK"
    UNVERIFIED = "UNVERIFIED"
    STALE = "STALE"
    VERIFIED = "VERIFIED"


class PositionKey(NamedTuple):
    """What one position is kept under."""

    mode: str
    account: str
    symbol: str


class Terms(NamedTuple):
    """What a person states about a symbol or a root in the settings; None where nothing is stated."""

    point_value: Decimal | None = None
    tick: Decimal | None = None
    multiplier: Decimal | None = None
    commission: Decimal | None = None
    currency: str = ""
