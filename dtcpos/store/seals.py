"""Which columns carry the checksum of which others, so that a flipped byte of a row that may change shows too.

The rows of the ledger itself, which are only ever added, carry theirs in the statements that insert them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dtcpos.store.columns import (
    ACCOUNT,
    BESIDE_POSITION,
    BESIDE_TRADE,
    BREAK,
    CONTACT,
    CURSOR,
    INSTRUMENT,
    LINK,
    MARK,
    OPEN_POSITION,
    PREFERENCE,
    TRADE,
    WORKING_ORDER,
    listed,
)
from dtcpos.store.rows import checksum_of


class Seal(NamedTuple):
    """A column that holds the checksum of others of its row, so that a flipped byte shows."""

    table: str
    column: str
    sealed: tuple[str, ...]

    @property
    def again(self) -> str:
        """The statement that seals rows anew; a WHERE clause follows."""
        return f"UPDATE {self.table} SET {self.column} = {ROW_CHECKSUM}({listed(self.sealed)})"


# The function of SQL by which the writer seals what is changed in a statement; readers have no need of it.
ROW_CHECKSUM: Final = "row_checksum"
ACCOUNT_SEAL: Final = Seal("account", "checksum", ACCOUNT)
BREAK_SEAL: Final = Seal("break_", "checksum", BREAK)
POSITION_SEAL: Final = Seal("open_position", "checksum", OPEN_POSITION)
BESIDE_POSITION_SEAL: Final = Seal("open_position", "beside_checksum", BESIDE_POSITION)
TRADE_SEAL: Final = Seal("trade", "checksum", TRADE)
BESIDE_TRADE_SEAL: Final = Seal("trade", "beside_checksum", BESIDE_TRADE)
# Of the tables around the ledger, each with how many of its first columns tell the row.
AROUND: Final = (
    (ACCOUNT_SEAL, 1),
    (Seal("instrument", "checksum", INSTRUMENT), 1),
    (Seal("working_order", "checksum", WORKING_ORDER), 2),
    (Seal("mark", "checksum", MARK), 1),
    (BREAK_SEAL, 1),
    (Seal("export_cursor", "checksum", CURSOR), 1),
    (Seal("link", "checksum", LINK), 1),
    (Seal("contact", "checksum", CONTACT), 2),
    (Seal("preference", "checksum", PREFERENCE), 1),
)
# The checksums of rows that have nothing beside what booking made of their fills.
NOTHING_BESIDE_POSITION: Final = checksum_of((*(None,) * (len(BESIDE_POSITION) - 1), ""))
NOTHING_BESIDE_TRADE: Final = checksum_of((None,) * len(BESIDE_TRADE))
