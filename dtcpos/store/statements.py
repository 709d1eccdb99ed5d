"""The writer's statements, each a constant that SQLite prepares once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dtcpos.store.columns import (
    BESIDE_POSITION,
    EXIT,
    FILL,
    JOURNAL,
    MARK,
    OPEN_POSITION,
    SIGHTING,
    SNAPSHOT,
    TRADE,
    WORKING_ORDER,
    insert,
    listed,
    update,
    upsert,
)
from dtcpos.store.seals import NOTHING_BESIDE_TRADE, ROW_CHECKSUM


def sealed_upsert(table: str, columns: Sequence[str], *, key: int) -> str:
    """Return the statement that inserts or updates a row whose checksum stands behind its columns."""
    return upsert(table, (*columns, "checksum"), key=key)


INSERT_FILL: Final = insert("fill", (*FILL, "checksum"))
INSERT_SIGHTING: Final = insert("resighting", (*SIGHTING, "checksum"))
INSERT_JOURNAL: Final = insert("journal", (*JOURNAL, "checksum"))
# The server agreed with what was held then: any fill since ends that, also one that comes back to the same quantity.
_STILL_AGREED: Final = (
    "CASE WHEN excluded.fills = open_position.fills AND excluded.signed_quantity = open_position.signed_quantity "
    "THEN open_position.agreed_quantity END"
)
_KEPT_BESIDE: Final = ", ".join(_STILL_AGREED if name == "agreed_quantity" else name for name in BESIDE_POSITION)
UPSERT_POSITION: Final = (
    f"{insert('open_position', (*OPEN_POSITION, 'checksum', 'beside_checksum'))} ON CONFLICT (mode, account, symbol) "
    f"DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in (*OPEN_POSITION[3:], 'checksum'))}, "
    # Once what was agreed is forgotten nothing beside the booking changes, and nobody need be called to add it up.
    f"agreed_quantity = {_STILL_AGREED}, beside_checksum = CASE WHEN agreed_quantity IS {_STILL_AGREED} "
    f"THEN beside_checksum ELSE {ROW_CHECKSUM}({_KEPT_BESIDE}) END"
)
DELETE_POSITION: Final = "DELETE FROM open_position WHERE mode = ? AND account = ? AND symbol = ?"
OPENED_BY: Final = OPEN_POSITION.index("opened_by")
DELETE_TRADED: Final = (
    "DELETE FROM open_position AS p WHERE mode = ? AND account = ? AND symbol = ? AND opened_by IS NOT ? AND EXISTS "
    "(SELECT 1 FROM trade t WHERE t.account = p.account AND t.symbol = p.symbol AND t.opened_by = p.opened_by)"
)
# A trade inherits what was remembered of the entry, if the position still open is the one that it closes.
_BOOKED: Final = (*TRADE, "checksum")
INSERT_TRADE: Final = (
    f"INSERT INTO trade ({listed((*_BOOKED, *SNAPSHOT, 'beside_checksum'))}) SELECT booked.*, {listed(SNAPSHOT, 'p')}, "
    # Of most entries nothing was remembered, and then nobody need be called to add that up.
    f"CASE WHEN coalesce({listed(SNAPSHOT, 'p')}) IS NULL THEN {NOTHING_BESIDE_TRADE} "
    f"ELSE {ROW_CHECKSUM}({listed(SNAPSHOT, 'p')}, {', '.join(['NULL'] * len(EXIT))}) END "
    f"FROM (SELECT {', '.join(f'? AS {column}' for column in _BOOKED)}) AS booked LEFT JOIN open_position p "
    "ON p.mode = booked.mode AND p.account = booked.account AND p.symbol = booked.symbol "
    "AND p.opened_by IS booked.opened_by"
)
UPDATE_TRADE: Final = update("trade", _BOOKED)
OF_POSITION: Final = "WHERE mode = ? AND account = ? AND symbol = ?"
UPSERT_MARK: Final = f"{sealed_upsert('mark', MARK, key=1)} WHERE excluded.time >= mark.time OR mark.time > ?"
UPSERT_ORDER: Final = sealed_upsert("working_order", WORKING_ORDER, key=2)
