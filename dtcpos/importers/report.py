"""What an import found: counts, what differs from the ledger, and what there is to say."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from attrs import frozen

from dtcpos.errors import UsageError

_SHOWN = 60


class ImportRefused(UsageError):
    """The file is not what it has to be, or would do harm; nothing of it was imported."""


@frozen(kw_only=True)
class Difference:
    """One thing in which a file and the ledger differ.

    `kind` is `quantity` (a stated position quantity), `range` (the prices seen during positions), `position` (what is
    held), `mode` or `not placed`. `stated` is the file's value, `held` the ledger's.
    """

    kind: str
    account: str
    symbol: str
    text: str
    stated: Decimal | None = None
    held: Decimal | None = None
    time: datetime | None = None


@frozen(kw_only=True)
class Report:
    """What came of one file.

    `rows` counts the lines below the header, `fills` those that tell an execution; each of these is new, was seen
    before, or superseded what the ledger had. `sighted` of those seen before are told by a log for the first time.
    `differences` need a person's attention; `ranges` are only worth knowing.
    """

    path: Path
    kind: str
    rows: int = 0
    fills: int = 0
    new: int = 0
    seen_before: int = 0
    superseded: int = 0
    sighted: int = 0
    differences: tuple[Difference, ...] = ()
    ranges: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()


def moment_text(moment: datetime) -> str:
    """Write a time in UTC, to the second unless more of it is there."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def number_text(value: Decimal | None) -> str:
    """Write a number without an exponent or trailing zeros, `unknown` where there is none."""
    if value is None:
        return "unknown"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown(text: str) -> str:
    """Quote what a file says, shortened and with nothing in it that a terminal would act on."""
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
