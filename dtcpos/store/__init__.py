"""The repository: the schema, the writer, the readers, the writer's lock. All SQL is in this room.

Names are loaded when they are first asked for, so that a listing never pays for the writer.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dtcpos.store.audit import AuditReader
    from dtcpos.store.connection import Patience
    from dtcpos.store.lock import WriterLock
    from dtcpos.store.nouns import EVERYTHING, ClosedTrade, ExportCursor, Holding, Selection
    from dtcpos.store.reader import LedgerReader
    from dtcpos.store.repository import PositionRepository
    from dtcpos.store.rows import refined
    from dtcpos.store.running import is_running
    from dtcpos.store.stored import StoredPosition, StoredTrade

__all__ = [
    "EVERYTHING",
    "AuditReader",
    "ClosedTrade",
    "ExportCursor",
    "Holding",
    "LedgerReader",
    "Patience",
    "PositionRepository",
    "Selection",
    "StoredPosition",
    "StoredTrade",
    "WriterLock",
    "is_running",
    "refined",
]

_HOMES = {
    "AuditReader": "audit",
    "EVERYTHING": "nouns",
    "ClosedTrade": "nouns",
    "ExportCursor": "nouns",
    "Holding": "nouns",
    "LedgerReader": "reader",
    "Patience": "connection",
    "PositionRepository": "repository",
    "Selection": "nouns",
    "StoredPosition": "stored",
    "StoredTrade": "stored",
    "WriterLock": "lock",
    "is_running": "running",
    "refined": "rows",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
