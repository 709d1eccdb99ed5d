"""What the reader is asked and what it answers with: rows of several tables put together."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from attrs import frozen

from dtcpos.model import Break, Instrument, Mark, Position, PositionKey, Trade, Verification


@frozen(kw_only=True)
class Selection:
    """Which rows a listing is about; None selects everything.

    `since` is included, `until` is not. They are compared with a fill's time, a trade's exit and a journal entry's
    time; an open position is selected whatever its age.
    """

    modes: tuple[str, ...] | None = None
    account: str | None = None
    symbol: str | None = None
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING = Selection()


@frozen(kw_only=True)
class Holding:
    """An open position with everything that is stored about it.

    `heat_since` is since when it has been under water, `initial_risk` points times quantity at the first stop.
    `breaks` are the unanswered ones.
    """

    position: Position
    verification: Verification
    mark: Mark | None = None
    instrument: Instrument | None = None
    target_price: Decimal | None = None
    stop_price: Decimal | None = None
    entry_vwap: Decimal | None = None
    entry_cum_delta: Decimal | None = None
    entry_poc: Decimal | None = None
    heat_since: datetime | None = None
    initial_risk: Decimal | None = None
    breaks: tuple[Break, ...] = ()

    @property
    def key(self) -> PositionKey:
        """What the position is kept under."""
        return self.position.key


@frozen(kw_only=True)
class ClosedTrade:
    """A trade with what was remembered of its entry and exit, and the instrument that makes money of its points."""

    trade: Trade
    instrument: Instrument | None = None
    entry_vwap: Decimal | None = None
    entry_cum_delta: Decimal | None = None
    entry_poc: Decimal | None = None
    initial_risk: Decimal | None = None
    exit_vwap: Decimal | None = None
    exit_cum_delta: Decimal | None = None
    exit_poc: Decimal | None = None


@frozen(kw_only=True)
class ExportCursor:
    """How far an export has come.

    `pending_path` and `pending_id` name a file that is written but perhaps not yet in its place.
    """

    name: str
    what: str
    last_id: int
    updated_at: datetime
    pending_path: str | None = None
    pending_id: int | None = None
