"""What the keeper tells its caller: each one is durable, or about the session, by the time it is returned."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from attrs import frozen

from dtcpos.model import Action, Break, Fill, Instrument, Position, PositionKey, Trade

if TYPE_CHECKING:
    from dtcpos.store import ClosedTrade


@frozen(kw_only=True)
class SessionUpdate:
    """The session entered a state; `reason` says why where there is something to say."""

    state: str
    server: str = ""
    encoding: str = ""
    reason: str = ""


class FillUpdate(NamedTuple):
    """A fill was booked; `position` is what is held after it, None when flat."""

    fill: Fill
    mode: str
    action: Action
    position: Position | None
    instrument: Instrument | None = None


@frozen(kw_only=True)
class TradeUpdate:
    """A trade was closed, or (`is_restated`) an earlier one changed because a fill arrived late or was corrected.

    `closed` is the trade with what the ledger remembers of its entry and exit.
    """

    trade: Trade
    instrument: Instrument | None = None
    is_restated: bool = False
    closed: ClosedTrade | None = None


@frozen(kw_only=True)
class BreakUpdate:
    """The server and the ledger differ, or (`is_resolved`) no longer do."""

    break_: Break
    is_resolved: bool = False


@frozen(kw_only=True)
class VerifiedUpdate:
    """The server agreed with the quantity held under a key."""

    key: PositionKey
    quantity: Decimal
    at: datetime


@frozen(kw_only=True)
class AlertUpdate:
    """Something a person should read; `kind` is one word for scripts, `text` the sentence."""

    kind: str
    text: str
    key: PositionKey | None = None


@frozen(kw_only=True)
class SyncedUpdate:
    """Every batch asked for after logon has ended, one way or another.

    `unfinished` names the comparisons that should have happened and did not, with the reason.
    """

    accounts: int
    backfilled: int
    breaks: int
    unfinished: tuple[str, ...] = ()


Update = SessionUpdate | FillUpdate | TradeUpdate | BreakUpdate | VerifiedUpdate | AlertUpdate | SyncedUpdate


def last_fills(updates: Iterable[Update]) -> dict[PositionKey, FillUpdate]:
    """Return, by key, the last fill that was booked; what is held now is what was held after it."""
    last: dict[tuple[str, str, str], FillUpdate] = {}
    for update in updates:
        if update.__class__ is FillUpdate:
            fill = update.fill
            last[update.mode, fill.account, fill.symbol] = update
    return {PositionKey(*key): update for key, update in last.items()}
