"""Activity logs and state files written as Sierra Chart and the older program write them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

from dtcpos.importers import Import, Report, Scales, import_files
from dtcpos.model import Position, Trade
from dtcpos.store import PositionRepository
from tests.notation import KEY, at
from tests.outcome import prove

COLUMNS = tuple(
    """
    ActivityType DateTime TransDateTime Symbol OrderActionSource InternalOrderID ServiceOrderID OrderType Quantity
    BuySell Price Price2 OrderStatus FillPrice FilledQuantity TradeAccount OpenClose ParentInternalOrderID
    PositionQuantity FillExecutionServiceID HighDuringPosition LowDuringPosition Note AccountBalance ExchangeOrderID
    ClientOrderID TimeInForce Username
    """.split()
)
NOW = at(86_400)
_FILL = re.compile(r"([+-])\s*([\d.]+)\s*@\s*(-?[\d.]+)")

Row = Mapping[str, str]


def moment(time: datetime) -> str:
    """Write a time as the log does, with two spaces."""
    return time.strftime("%Y-%m-%d  %H:%M:%S.%f")


def told(text: str, second: float = 0, *, at_time: datetime | None = None, **cells: object) -> Row:
    """Return the row of an execution `+1 @ 5050.25`, so many seconds into the test's morning."""
    match = _FILL.fullmatch(text)
    assert match is not None, text
    sign, quantity, price = match.groups()
    row = {
        "ActivityType": "Fills",
        "DateTime": moment(at_time or at(second)),
        "Symbol": KEY.symbol,
        "TradeAccount": KEY.account,
        "BuySell": "Buy" if sign == "+" else "Sell",
        "Quantity": quantity,
        "FillPrice": price,
        "InternalOrderID": "501",
        "ServiceOrderID": "1001",
    }
    return row | {name: str(value) for name, value in cells.items()}


def written(rows: Sequence[Row], *, columns: Sequence[str] = COLUMNS, end: str = "\r\n") -> bytes:
    """Return a log of these rows."""
    lines = ["\t".join(columns), *("\t".join(row.get(name, "") for name in columns) for row in rows)]
    return (end.join(lines) + end).encode()


def log(folder: Path, *rows: Row, name: str = "log.txt", **form: Any) -> Path:
    """Write a log of these rows into a folder."""
    path = folder / name
    path.write_bytes(written(rows, **form))
    return path


def state(folder: Path, name: str, **values: object) -> Path:
    """Write a state file."""
    path = folder / name
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


PANEL: Mapping[str, object] = {
    "entry_qty": 2,
    "entry_price": 6765.0,
    "is_long": True,
    "symbol": "F.US.MESZ25",
    "entry_time_epoch": 1763263031,
    "target_price": 6768.25,
    "stop_price": 0.0,
    "last_price": 6765.25,
    "session_high": 6765.5,
    "session_low": 6764.5,
    "vwap": 6765.561,
    "cum_delta": -2573.0,
    "poc": 6764.5,
    "trade_min_price": 6764.0,
    "trade_max_price": 6765.25,
    "entry_vwap": 6765.5,
    "entry_cum_delta": -12.5,
    "entry_poc": 0.0,
    "heat_start_epoch": 1763263040,
    "current_mode": "SIM",
    "current_account": "Sim1",
    "_schema_version": "2.0",
    "_saved_at_utc": "2025-11-16T03:17:29.196295+00:00",
}


def panel(folder: Path, name: str = "runtime_state_panel2_SIM_Sim1.json", **values: object) -> Path:
    """Write a state file that holds a position; a value of None stays out."""
    said = {**PANEL, **values}
    return state(folder, name, **said)


def imported(
    ledger: PositionRepository,
    *paths: Path,
    zone: tzinfo | None = None,
    scales: Scales | None = None,
    now: datetime = NOW,
    **options: Any,
) -> Report:
    """Import files into an open ledger, prove it, and return the last report."""
    given = {"zone": zone} if zone is not None else {}
    wanted = Import(paths=paths, scales=scales or Scales(), **given, **options)
    reports = list(import_files(wanted, lambda: _Kept(ledger), now=now))  # type: ignore[arg-type, return-value]
    prove(ledger)
    return reports[-1]


class _Kept:
    """A ledger that stays open when whoever was given it is done."""

    def __init__(self, ledger: PositionRepository) -> None:
        self._ledger = ledger

    def __enter__(self) -> PositionRepository:
        return self._ledger

    def __exit__(self, *_: object) -> None:
        pass


def counts(report: Report) -> tuple[int, int, int]:
    """Return how many were new, seen before and superseded."""
    return report.new, report.seen_before, report.superseded


def held(ledger: PositionRepository) -> list[str]:
    """Return what is held, in words."""
    return [_words(position) for position in ledger.positions().values()]


def _words(position: Position) -> str:
    return f"{position.key.account} {position.signed_quantity:+f} {position.key.symbol}"


def trades(ledger: PositionRepository) -> list[Trade]:
    """Return every trade."""
    keys = ledger.keys()
    return [trade for key in keys for trade in ledger.trades_of_key(*key)]


def realized(ledger: PositionRepository) -> list[Decimal | None]:
    """Return the points every trade earned."""
    return [trade.realized for trade in trades(ledger)]


def later(seconds: float) -> datetime:
    """Return a later moment of importing."""
    return NOW + timedelta(seconds=seconds)
