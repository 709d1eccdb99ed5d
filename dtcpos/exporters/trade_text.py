"""Trades as rows of text, straight from the ledger's text: what is stored canonically is not taken apart and made anew.

The cells are those the trade's keys would have in CSV, in `TRADE_CELLS` order. Making nouns and objects of a million
trades first takes four times as long; a test holds both ways against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from dtcpos.booking import rounded_quotient
from dtcpos.booking.book import EXACT
from dtcpos.errors import LedgerCorrupt
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
# The amounts of trades are few ticks times few lots, so most are met again; 16,384 of them take about 3 MB.
_REMEMBERED = 16_384

Cells = list[Any]


def trade_cells(rows: Iterable[tuple[Any, ...]], instruments: Mapping[str, Instrument], place: str) -> Iterator[Cells]:
    """Yield the cells of each of the reader's `trade_rows`; None is an empty cell.

    `place` names the ledger where a row turns out to be damaged: LedgerCorrupt.
    """
    known = {symbol: _terms(instrument) for symbol, instrument in instruments.items()}
    unknown = (None, "", None)
    try:
        for row in rows:
            (
                trade_id, mode, account, symbol, side, quantity, total, entered, exited, opened, closed, points,
                commission, low, high, mae, mfe, fills, _, _, flags, vwap, delta, poc, risk, *at_exit,
            ) = row  # fmt: skip
            value, currency, source = known.get(symbol, unknown)
            gross = net = best = None
            if value is not None:
                if points is not None:
                    gross = _times(points, value)
                    net = gross if commission is None else _less(gross, commission)
                mae = None if mae is None else _times(mae, value)
                best = None if mfe is None else _times(mfe, value)
            else:
                mae = None
            if commission is None and _COMMISSION_UNKNOWN not in flags.split():
                flags = f"{flags} {_COMMISSION_UNKNOWN}" if flags else _COMMISSION_UNKNOWN
            yield [
                trade_id, mode, account, symbol, side, quantity, total, entered,
                None if opened is None else _over(opened, total), exited,
                None if closed is None else _over(closed, total), points,
                gross, commission, net, currency, mae, best,
                None if net is None or best is None else _share(net, best),
                None if net is None or risk is None else _share(net, _times(risk, value)),
                vwap, delta, poc, low, high, fills, flags, source, *at_exit,
            ]  # fmt: skip
    except (ArithmeticError, TypeError, ValueError, AttributeError) as error:
        raise LedgerCorrupt(f"ledger {place} holds a damaged row ({error!r}); run `dtcpos verify`") from error


def _terms(instrument: Instrument) -> tuple[Decimal | None, str, str | None]:
    return instrument.point_value, instrument.currency, instrument.commission_source or None


@lru_cache(maxsize=_REMEMBERED)
def _times(points: str, value: Decimal) -> str:
    return text_of(EXACT.multiply(Decimal(points), value))


@lru_cache(maxsize=_REMEMBERED)
def _less(gross: str, commission: str) -> str:
    return text_of(EXACT.subtract(Decimal(gross), Decimal(commission)))


@lru_cache(maxsize=_REMEMBERED)
def _over(notional: str, quantity: str) -> str | None:
    divisor = Decimal(quantity)
    return text_of(rounded_quotient(Decimal(notional), divisor)) if divisor else None


@lru_cache(maxsize=_REMEMBERED)
def _share(net: str, base: str) -> str | None:
    divisor = Decimal(base)
    return text_of(rounded_quotient(Decimal(net), divisor)) if divisor > 0 else None
