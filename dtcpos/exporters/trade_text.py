"""Trades as rows of text, straight from the ledger's text: what is stored canonically is not taken apart and made anew.

The cells are those the trade's keys would have in CSV, in `TRADE_CELLS` order. Making nouns and objects of a million
trades first takes four times as long; a test holds both ways against each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import lru_cache
from typing import Any

from dtcpos.errors import LedgerCorrupt
from dtcpos.exact import EXACT
from dtcpos.model import Instrument
from dtcpos.store.rows import text_of

TRADE_CELLS = tuple(
    """
    id mode account symbol side quantity total_quantity entry_time entry_price exit_time exit_price realized_points
    realized_pnl commission net_pnl currency mae mfe efficiency r_multiple entry_vwap entry_cum_delta entry_poc
    trade_min_price trade_max_price fills flags commission_source exit_vwap exit_cum_delta exit_poc
    """.split()
)
_COMMISSION_UNKNOWN = "commission_unknown"
# What trades earn and cost is few ticks times few lots, so most is met again; so many take about 3 MB.
_REMEMBERED = 16_384
_QUOTED = re.compile('[,"\r\n]')
# Numbers of a ledger have less than 20 digits each: 60 are too many to come near a tie that is none.
_divide = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow]).divide


def trade_cells(
    rows: Iterable[tuple[Any, ...]], instruments: Mapping[str, Instrument], place: str
) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each of the reader's `trade_rows` as CSV has them, quoted where they must be.

    `place` names the ledger where a row turns out to be damaged: LedgerCorrupt.
    """
    known = {symbol: _terms(instrument) for symbol, instrument in instruments.items()}
    unknown = (None, "", "")
    try:
        for row in rows:
            (
                trade_id, mode, account, symbol, side, quantity, total, entered, exited, opened, closed, points,
                commission, low, high, mae, mfe, fills, _, _, flags, vwap, delta, poc, risk, exit_vwap, exit_delta,
                exit_poc,
            ) = row  # fmt: skip
            value, currency, source = known.get(symbol, unknown)
            gross = net = worst = best = ""
            if value is not None:
                if points is not None:
                    gross = _times(points, value)
                    net = gross if commission is None else _less(gross, commission)
                if mae is not None:
                    worst = _times(mae, value)
                if mfe is not None:
                    best = _times(mfe, value)
            if commission is None:
                flags = _with_unknown_commission(flags)
            yield (
                str(trade_id), cell(mode), cell(account), cell(symbol), side, quantity, total, entered,
                "" if opened is None else _over(opened, total), exited,
                "" if closed is None else _over(closed, total), points or "",
                gross, commission or "", net, currency, worst, best,
                _share(net, best) if net and best else "",
                _share(net, _times(risk, value)) if net and risk is not None and value is not None else "",
                vwap or "", delta or "", poc or "", low or "", high or "", str(fills),
                cell(flags) if flags else "", source, exit_vwap or "", exit_delta or "", exit_poc or "",
            )  # fmt: skip
    except (ArithmeticError, TypeError, ValueError, AttributeError) as error:
        raise LedgerCorrupt(f"ledger {place} holds a damaged row ({error!r}); run `dtcpos verify`") from error


def _terms(instrument: Instrument) -> tuple[Decimal | None, str, str]:
    return instrument.point_value, cell(instrument.currency), cell(instrument.commission_source)


@lru_cache(maxsize=_REMEMBERED)
def cell(text: str) -> str:
    """Return a text as a cell of CSV, in quotes where RFC 4180 wants them."""
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


@lru_cache(maxsize=_REMEMBERED)
def _with_unknown_commission(flags: str) -> str:
    words = flags.split()
    return flags if _COMMISSION_UNKNOWN in words else " ".join([*words, _COMMISSION_UNKNOWN])


@lru_cache(maxsize=_REMEMBERED)
def _times(points: str, value: Decimal) -> str:
    return text_of(EXACT.multiply(Decimal(points), value))


@lru_cache(maxsize=_REMEMBERED)
def _less(gross: str, commission: str) -> str:
    return text_of(EXACT.subtract(Decimal(gross), Decimal(commission)))


def _over(notional: str, quantity: str) -> str:
    if quantity == "1" and len(notional) - notional.find(".") <= 11:
        return notional
    return _quotient(Decimal(notional), Decimal(quantity))


def _share(net: str, base: str) -> str:
    divisor = Decimal(base)
    return _quotient(Decimal(net), divisor) if divisor > 0 else ""


def _quotient(numerator: Decimal, divisor: Decimal) -> str:
    # What `rounded_quotient` says, in half its time.
    if not divisor:
        return ""
    text = f"{_divide(numerator, divisor):.10f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
