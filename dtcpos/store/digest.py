"""The content of a ledger as one number, to tell whether two are the same."""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from typing import Final

from dtcpos.store.columns import EXIT, FILL, OPEN_POSITION, SIGHTING, SNAPSHOT, TRADE, listed

# Left out is what says when we did something and not what happened: times of booking and of seeing, and the ids of
# trades, which a rebuild gives anew.
_CONTENT: Final = (
    ("account", ("account", "mode"), "account"),
    ("fill", tuple(column for column in FILL if column != "booked_at"), "id"),
    ("resighting", tuple(column for column in SIGHTING if column != "seen_at"), "fill_id, source"),
    ("open_position", tuple(c for c in OPEN_POSITION if c != "updated_at"), "mode, account, symbol"),
    ("trade", (*TRADE[1:], *SNAPSHOT, *EXIT), "account, symbol, opened_by, exit_time"),
)


def content_hash(connection: sqlite3.Connection) -> str:
    """Return the SHA-256 of the ledger and its projections, in hexadecimal.

    Two files that booked the same executions in the same order have the same hash, whenever they did it.
    """
    digest = sha256()
    for table, columns, order in _CONTENT:
        digest.update(f"{table}\n".encode())
        for (row,) in connection.execute(f"SELECT json_array({listed(columns)}) FROM {table} ORDER BY {order}"):
            digest.update(row.encode("utf-8", "surrogatepass"))
            digest.update(b"\n")
    return digest.hexdigest()
