"""How true a position is known to be, derived when it is read.

Order: BREAK, UNVERIFIED, STALE, VERIFIED; the first that applies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dtcpos.words import Status

if TYPE_CHECKING:
    from dtcpos.model import Account, Break, Link, Position, Verification

FRESH_FOR_S = 60.0
# What the reason of a position begins with while a break about it is settled by a person's `keep`.
KEPT = "kept against the server's"
_COMPLETE = ("", "complete")


def standing(
    position: Position,
    *,
    verification: Verification | None,
    account: Account | None,
    links: Iterable[Link],
    breaks: Sequence[Break],
    now: datetime,
    fresh_for_s: float = FRESH_FOR_S,
) -> tuple[Status, str]:
    """Return the status of an open position and the reason for it, in words."""
    # A break that our own quantity has since caught up with waits for the next comparison to say so.
    standing_breaks = [each for each in breaks if _still_differs(each, position)]
    if standing_breaks:
        return Status.BREAK, _broken(standing_breaks[0], position)
    if verification is None or verification.agreed_at is None:
        return Status.UNVERIFIED, _never(verification, account)
    if verification.agreed_quantity != position.signed_quantity:
        return Status.UNVERIFIED, "changed since the server last agreed"
    if verification.outcome not in ("", "agreed"):
        return Status.UNVERIFIED, verification.outcome
    if account is not None and account.sync_outcome not in _COMPLETE:
        return Status.UNVERIFIED, account.sync_outcome
    stale = _stale(links, verification.agreed_at, now, fresh_for_s)
    if stale:
        return Status.STALE, stale
    return Status.VERIFIED, "agreed with the server"


def _still_differs(found: Break, position: Position) -> bool:
    return found.kind == "average_price" or found.reported_quantity != position.signed_quantity


def _broken(found: Break, position: Position) -> str:
    theirs = "nothing" if not found.reported_quantity else f"{found.reported_quantity:f}"
    if found.kind == "average_price":
        return f"the server's average is {found.reported_average:f}, ours {found.held_average:f}"
    return f"the server holds {theirs}, the ledger {position.signed_quantity:f}"


def _never(verification: Verification | None, account: Account | None) -> str:
    if verification is not None and verification.outcome:
        return verification.outcome
    if account is not None and account.sync_outcome not in _COMPLETE:
        return account.sync_outcome
    return "not yet compared with the server"


def _stale(links: Iterable[Link], agreed_at: datetime, now: datetime, fresh_for_s: float) -> str:
    if agreed_at - now > timedelta(seconds=fresh_for_s):
        # Dated before the clock was set back: how long ago it was nobody can tell.
        return "the agreement is dated ahead of this clock"
    reason = "no link to a server"
    for link in links:
        if link.state == "closed":
            if (now - agreed_at) <= timedelta(seconds=fresh_for_s):
                return ""
            reason = "the link was closed"
            continue
        if link.state == "gone":
            reason = "the process that held the link is gone"
            continue
        if link.state == "lost" or link.last_heard_at is None:
            reason = "the link is down"
            continue
        silent_s = (now - link.last_heard_at).total_seconds()
        if silent_s > 2 * link.heartbeat_interval_s:
            reason = f"the link has been silent for {silent_s:.0f} s"
        elif silent_s < -2 * link.heartbeat_interval_s:
            # Its holder refreshes it every second, so one that lies ahead was left behind when the clock was set back.
            reason = "the link was last heard ahead of this clock"
        elif agreed_at < link.since:
            reason = "not compared yet since the link came back"
        else:
            return ""
    return reason
