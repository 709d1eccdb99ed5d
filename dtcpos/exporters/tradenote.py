"""Executions as TradeNote's template has them: one a line, ascending, with a side that knows the position.

`B` opens or adds to a long, `S` takes from it, `SS` opens or adds to a short, `BC` covers it; an execution that goes
through zero is two lines. Gross proceeds are quantity times price times point value, negative for what was bought; net
is gross less commission and fees. Dates are `MM/DD/YYYY`, times `HH:mm:ss` in the user's zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from decimal import Decimal

from dtcpos.booking import split_commission
from dtcpos.exact import EXACT
from dtcpos.exporters.remarks import Remarks
from dtcpos.exporters.symbols import kind_of, root_name
from dtcpos.exporters.walk import Execution
from dtcpos.model import ZERO, Side
from dtcpos.store.rows import text_of

COLUMNS = tuple(
    "Account,T/D,S/D,Currency,Type,Side,Symbol,Qty,Price,Exec Time,Comm,SEC,TAF,NSCC,Nasdaq,ECN Remove,ECN Add,"
    "Gross Proceeds,Net Proceeds,Clr Broker,Liq,Note".split(",")
)
_OPENING = {Side.BUY: "B", Side.SELL: "SS"}
_CLOSING = {Side.BUY: "BC", Side.SELL: "S"}
_FEES = ("0",) * 6

_Part = tuple[str, Decimal, Decimal | None]


def rows(execution: Execution, zone: tzinfo, remarks: Remarks) -> Iterator[tuple[str, ...]]:
    """Yield the row of an execution, two where it goes through zero, none where its price is unknown."""
    fill, instrument = execution.fill, execution.instrument
    remarks.note_mode(execution.mode)
    if fill.price is None:
        remarks.unpriced += 1
        return
    if fill.commission is None:
        remarks.uncharged += 1
    point_value = None if instrument is None else instrument.point_value
    if point_value is None:
        remarks.without_point_value.add(fill.symbol)
    local = fill.time.astimezone(zone)
    day = f"{local:%m/%d/%Y}"
    for side, quantity, commission in _parts(execution):
        gross = net = ""
        if point_value is not None:
            signed = -quantity if fill.side is Side.BUY else quantity
            proceeds = EXACT.multiply(EXACT.multiply(signed, fill.price), point_value)
            gross, net = text_of(proceeds), text_of(EXACT.subtract(proceeds, commission or ZERO))
        yield (
            fill.account,
            day,
            day,
            "" if instrument is None else instrument.currency,
            kind_of(fill.symbol),
            side,
            root_name(fill.symbol),
            text_of(quantity),
            text_of(fill.price),
            f"{local:%H:%M:%S}",
            "0" if commission is None else text_of(commission),
            *_FEES,
            gross,
            net,
            "",
            "",
            fill.reason,
        )


def _parts(execution: Execution) -> list[_Part]:
    fill, held = execution.fill, execution.held
    if not held or (held > 0) == (fill.side is Side.BUY):
        return [(_OPENING[fill.side], fill.quantity, fill.commission)]
    closing = min(fill.quantity, abs(held))
    share, rest = split_commission(fill.commission, closing, fill.quantity)
    parts = [(_CLOSING[fill.side], closing, share)]
    if closing != fill.quantity:
        parts.append((_OPENING[fill.side], EXACT.subtract(fill.quantity, closing), rest))
    return parts
