"""Open positions with how true each is: what every listing of them starts from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from attrs import evolve

from dtcpos.booking import standing
from dtcpos.cli.keys import position_json
from dtcpos.model import Break, Link, Status
from dtcpos.settings import Settings
from dtcpos.store import Holding, LedgerReader, Selection
from dtcpos.store.running import state_now


class Standing(NamedTuple):
    """An open position, how true it is at `now`, and why."""

    holding: Holding
    status: Status
    reason: str
    now: datetime

    def as_json(self) -> dict[str, Any]:
        """Return the position under its fixed keys."""
        return position_json(self.holding, self.status, self.reason, self.now)


def standings(reader: LedgerReader, selection: Selection, settings: Settings, now: datetime) -> list[Standing]:
    """Return the open positions selected, by mode, account and symbol."""
    accounts = {account.account: account for account in reader.accounts()}
    links = [_as_it_is(link) for link in reader.links()]
    found = []
    for holding in sorted(reader.positions(selection), key=lambda holding: holding.position.key):
        status, reason = standing(
            holding.position,
            verification=holding.verification,
            account=accounts.get(holding.position.key.account),
            links=links,
            breaks=holding.breaks,
            now=now,
            fresh_for_s=settings.server.fresh_for_s,
        )
        found.append(Standing(holding, status, reason, now))
    return found


def _as_it_is(link: Link) -> Link:
    state = state_now(link.state, link.holder_pid)
    return link if state == link.state else evolve(link, state=state)


def unheld_breaks(reader: LedgerReader, selection: Selection, found: Iterable[Standing]) -> list[Break]:
    """Return the unanswered breaks selected whose position the ledger does not hold."""
    held = {item.holding.position.key for item in found}
    return [item for item in reader.breaks(selection) if item.key not in held]
