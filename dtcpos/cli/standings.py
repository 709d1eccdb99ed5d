"""Open positions with how true each is: what `positions`, `switch` and `export positions` all show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from dtcpos.booking import average_price, standing
from dtcpos.cli.keys import position_json
from dtcpos.cli.render import Column, Table, age, break_text, held_text, number, place, profit
from dtcpos.model import Break, Status
from dtcpos.settings import Settings
from dtcpos.store import Holding, LedgerReader, Selection

COLUMNS = (
    Column("MODE"),
    Column("ACCOUNT"),
    Column("SYMBOL"),
    Column("QTY", is_number=True),
    Column("ENTRY", is_number=True),
    Column("MARK", is_number=True, rank=1),
    Column("UNREALIZED", is_number=True),
    Column("STATUS"),
    Column("STOP", is_number=True, rank=3),
    Column("TARGET", is_number=True, rank=4),
    Column("REALIZED", is_number=True, rank=5),
    Column("MAE", is_number=True, rank=6),
    Column("MFE", is_number=True, rank=7),
    Column("HELD FOR", is_number=True, rank=8),
)


@frozen
class Standing:
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
    links = reader.links()
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


def table_of(found: Sequence[Standing]) -> Table:
    """Return the table of open positions, a group for each mode."""
    modes = sorted({item.holding.position.key.mode for item in found})
    rows = {mode: [_row(item) for item in found if item.holding.position.key.mode == mode] for mode in modes}
    return Table(columns=COLUMNS, groups=list(rows.values()))


def _row(item: Standing) -> list[str]:
    keys, held = item.as_json(), item.holding
    return [
        *held.position.key,
        number(keys["quantity"]),
        number(keys["entry_price"]),
        number(keys["mark_price"]),
        profit(keys["unrealized_pnl"], keys["unrealized_points"]),
        str(item.status),
        number(held.stop_price),
        number(held.target_price),
        profit(keys["realized_pnl"], keys["realized_points"]),
        profit(keys["mae"], held.position.mae),
        profit(keys["mfe"], held.position.mfe),
        age(held.position.entry_time, item.now),
    ]


def notes_of(found: Iterable[Standing], unheld: Iterable[Break]) -> list[str]:
    """Return a line for each position that is not verified, and for each break about a position we do not hold."""
    doubts = [
        f"{item.status}  {place(item.holding.position.key)}: {item.reason}"
        for item in found
        if item.status is not Status.VERIFIED
    ]
    return doubts + [f"{Status.BREAK}  {break_text(found)}" for found in unheld]


def unheld_breaks(reader: LedgerReader, selection: Selection, found: Iterable[Standing]) -> list[Break]:
    """Return the unanswered breaks selected whose position the ledger does not hold."""
    held = {item.holding.position.key for item in found}
    return [item for item in reader.breaks(selection) if item.key not in held]


def summary(item: Standing) -> str:
    """Return a position in a few words: LONG 1 MESZ26-CME @ 5050.25 in SIM Sim1."""
    position = item.holding.position
    mode, account, symbol = position.key
    words = held_text(position.signed_quantity, average_price(position)).split(" @ ")
    price = f" @ {words[1]}" if len(words) > 1 else ""
    return f"{words[0]} {symbol}{price} in {mode} {account}"
