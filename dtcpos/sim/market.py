"""Trades and quotes as messages, in every form a server may send a trade in."""

from __future__ import annotations

from decimal import Decimal

from dtcpos.dtc import (
    AtBidOrAsk,
    MarketDataSnapshot,
    MarketDataUpdateBidAsk,
    MarketDataUpdateLastTradeSnapshot,
    MarketDataUpdateTrade,
    MarketDataUpdateTradeCompact,
    MarketDataUpdateTradeNoTimestamp,
    MarketDataUpdateTradeV2,
    MarketDataUpdateTradeWithUnbundledIndicator,
    MarketDataUpdateTradeWithUnbundledIndicator2,
    Message,
)
from dtcpos.sim.reports import wire_price
from dtcpos.sim.steps import MarketStep, Tick
from dtcpos.sim.venue import Venue

_SIDE = AtBidOrAsk.AT_ASK


def market_message(venue: Venue, step: MarketStep, symbol_id: int, now: float) -> Message:
    """Return a trade in the form the dialogue names, or a quote, for the symbol id a client chose."""
    if isinstance(step, Tick):
        price = wire_price(venue, step.symbol, step.price)
        return _trade(venue.dialogue.tick_type, symbol_id, price, step.volume, now)
    return MarketDataUpdateBidAsk(
        SymbolID=symbol_id,
        BidPrice=wire_price(venue, step.symbol, step.bid),
        AskPrice=wire_price(venue, step.symbol, step.ask),
        DateTime=int(now),
    )


def snapshot(venue: Venue, symbol: str, symbol_id: int) -> MarketDataSnapshot:
    """Return what is known of a symbol's market; prices nobody has seen are unset."""
    traded = venue.last_trades.get(symbol)
    quoted = venue.quotes.get(symbol)
    return MarketDataSnapshot(
        SymbolID=symbol_id,
        LastTradePrice=wire_price(venue, symbol, traded[0]) if traded else None,
        LastTradeVolume=float(traded[1]) if traded else None,
        LastTradeDateTime=traded[2] if traded else 0.0,
        BidPrice=wire_price(venue, symbol, quoted[0]) if quoted else None,
        AskPrice=wire_price(venue, symbol, quoted[1]) if quoted else None,
    )


def _trade(type_: int, symbol_id: int, price: float, volume: Decimal, now: float) -> Message:
    whole, exact = int(volume), float(volume)
    microseconds = round(now * 1_000_000)
    match type_:
        case 112:
            return MarketDataUpdateTradeCompact(
                SymbolID=symbol_id, Price=price, Volume=exact, DateTime=int(now), AtBidOrAsk=_SIDE
            )
        case 134:
            return MarketDataUpdateLastTradeSnapshot(
                SymbolID=symbol_id, LastTradePrice=price, LastTradeVolume=exact, LastTradeDateTime=now
            )
        case 137:
            return MarketDataUpdateTradeWithUnbundledIndicator(
                SymbolID=symbol_id, Price=price, Volume=whole, DateTime=now, AtBidOrAsk=_SIDE
            )
        case 142:
            return MarketDataUpdateTradeNoTimestamp(SymbolID=symbol_id, Price=price, Volume=whole, AtBidOrAsk=_SIDE)
        case 146:
            return MarketDataUpdateTradeWithUnbundledIndicator2(
                SymbolID=symbol_id, Price=price, Volume=whole, DateTime=microseconds, AtBidOrAsk=_SIDE
            )
        case 147:
            return MarketDataUpdateTradeV2(
                SymbolID=symbol_id, Price=price, Volume=exact, DateTime=microseconds, AtBidOrAsk=_SIDE
            )
        case _:
            return MarketDataUpdateTrade(SymbolID=symbol_id, Price=price, Volume=exact, DateTime=now, AtBidOrAsk=_SIDE)
