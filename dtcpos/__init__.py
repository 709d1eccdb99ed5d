"""dtcpos: one durable answer to "what am I holding?".

The public names, flat. A program that embeds dtcpos needs a `PositionKeeper` on a `PositionRepository`, and reads
`keeper.positions`; a program that only looks needs a `LedgerReader`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dtcpos._version import __version__

if TYPE_CHECKING:
    from dtcpos.booking import average_price, book, replay, standing
    from dtcpos.dtc import Encoding, State
    from dtcpos.errors import (
        ConnectionLost,
        DtcposError,
        LedgerError,
        LedgerLocked,
        LinkError,
        LogonRefused,
        ProtocolError,
    )
    from dtcpos.keeper import PositionKeeper
    from dtcpos.model import Action, Fill, Instrument, Mode, Position, PositionKey, Side, Source, Status, Trade
    from dtcpos.store import LedgerReader, PositionRepository, Selection
    from dtcpos.updates import (
        AlertUpdate,
        BreakUpdate,
        FillUpdate,
        SessionUpdate,
        SyncedUpdate,
        TradeUpdate,
        Update,
        VerifiedUpdate,
    )

_HOMES = {
    "booking": ("average_price", "book", "replay", "standing"),
    "dtc": ("Encoding", "State"),
    "errors": (
        "ConnectionLost",
        "DtcposError",
        "LedgerError",
        "LedgerLocked",
        "LinkError",
        "LogonRefused",
        "ProtocolError",
    ),
    "keeper": ("PositionKeeper",),
    "model": ("Action", "Fill", "Instrument", "Mode", "Position", "PositionKey", "Side", "Source", "Status", "Trade"),
    "store": ("LedgerReader", "PositionRepository", "Selection"),
    "updates": (
        "AlertUpdate",
        "BreakUpdate",
        "FillUpdate",
        "SessionUpdate",
        "SyncedUpdate",
        "TradeUpdate",
        "Update",
        "VerifiedUpdate",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Action",
    "AlertUpdate",
    "BreakUpdate",
    "ConnectionLost",
    "DtcposError",
    "Encoding",
    "Fill",
    "FillUpdate",
    "Instrument",
    "LedgerError",
    "LedgerLocked",
    "LedgerReader",
    "LinkError",
    "LogonRefused",
    "Mode",
    "Position",
    "PositionKeeper",
    "PositionKey",
    "PositionRepository",
    "ProtocolError",
    "Selection",
    "SessionUpdate",
    "Side",
    "Source",
    "State",
    "Status",
    "SyncedUpdate",
    "Trade",
    "TradeUpdate",
    "Update",
    "VerifiedUpdate",
    "__version__",
    "average_price",
    "book",
    "replay",
    "standing",
]


# Loaded when first asked for: a program that only lists positions should not pay for the protocol.
def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
