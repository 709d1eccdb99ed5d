"""Opening the ledger to write to it, beside others that write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dtcpos.cli.faults import say

if TYPE_CHECKING:
    from dtcpos.store import PositionRepository

# Longer than a first contact with a hundred thousand executions, which is one transaction. A server keeps what is not
# read meanwhile; should it lose patience first, its history tells it again.
BUSY_S_MAX = 60.0
_BUSY = f"another process has been writing to ledger {{}} for 5 s; waiting up to {BUSY_S_MAX:.0f} s more for it to end"


def opened(path: Path, *, create: bool = False, create_folder: bool = False) -> PositionRepository:
    """Open the ledger for writing; a transaction that another writer keeps waiting says so and waits on."""
    from dtcpos.store import Patience, PositionRepository

    repository = PositionRepository.open(path, create=create, create_folder=create_folder)
    repository.patience = Patience(seconds=BUSY_S_MAX, tell=lambda: say(_BUSY.format(path)))
    return repository
