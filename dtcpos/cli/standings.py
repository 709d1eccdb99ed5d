"""Open positions as people see them: the table, the doubts about them, one in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dtcpos.booking import average_price
from dtcpos.cli.held import Standing, standings, unheld_breaks
from dtcpos.cli.prices import price_text
from dtcpos.cli.render import Column, Table, age, break_text, held_text, number, place, profit
from dtcpos.model import Break, Status

__all__ = ["Standing", "notes_of", "standings", "summary", "table_of", "unheld_breaks"]

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
        price_text(keys["entry_price"], held.instrument),
        price_text(keys["mark_price"], held.instrument),
        profit(keys["unrealized_pnl"], keys["unrealized_points"]),
        str(item.status),
        price_text(held.stop_price, held.instrument),
        price_text(held.target_price, held.instrument),
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


def summary(item: Standing) -> str:
    """Return a position in a few words: LONG 1 MESZ26-CME @ 5050.25 in SIM Sim1."""
    position = item.holding.position
    mode, account, symbol = position.key
    words = held_text(position.signed_quantity, average_price(position)).split(" @ ")
    price = f" @ {words[1]}" if len(words) > 1 else ""
    return f"{words[0]} {symbol}{price} in {mode} {account}"
