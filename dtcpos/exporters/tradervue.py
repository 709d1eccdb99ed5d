"""Executions as Tradervue's generic importer takes them.

Columns `Date,Time,Symbol,Quantity,Price,Side` and the fees; a fee that is positive is a charge. Dates are
`yyyy-mm-dd`, times `HH:MM:SS` in the zone that is chosen at import.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from dtcpos.exporters.remarks import Remarks
from dtcpos.exporters.symbols import contract_of
from dtcpos.exporters.walk import Execution
from dtcpos.store.rows import text_of

COLUMNS = ("Date", "Time", "Symbol", "Quantity", "Price", "Side", "Commission", "TransFee", "ECNFee")


def rows(execution: Execution, zone: tzinfo, remarks: Remarks) -> Iterator[tuple[str, ...]]:
    """Yield the row of an execution; none where its price is unknown."""
    fill = execution.fill
    remarks.note_mode(execution.mode)
    if fill.price is None:
        remarks.unpriced += 1
        return
    if fill.commission is None:
        remarks.uncharged += 1
    local = fill.time.astimezone(zone)
    yield (
        f"{local:%Y-%m-%d}",
        f"{local:%H:%M:%S}",
        contract_of(fill.symbol, local.date()),
        text_of(fill.quantity),
        text_of(fill.price),
        str(fill.side),
        "0" if fill.commission is None else text_of(fill.commission),
        "0",
        "0",
    )
