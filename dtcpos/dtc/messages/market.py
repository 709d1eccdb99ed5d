"""Market data messages: requests, snapshots, trades, quotes and status."""

from __future__ import annotations

from dtcpos.dtc.fields import (
    Double,
    DoubleOrUnset,
    Float,
    FloatOrUnset,
    FractionalSeconds,
    Int8,
    Int32,
    Microseconds,
    Seconds4,
    Text,
    UInt8,
    UInt16,
    UInt32,
    UInt32OrUnset,
)
from dtcpos.dtc.message import Message


class MarketDataFeedStatus(Message, type=100, name="MARKET_DATA_FEED_STATUS", size=8):
    """Server to client."""

    Status = Int32(4)  # MarketDataFeedStatusEnum


class MarketDataRequest(Message, type=101, name="MARKET_DATA_REQUEST", size=96, vls_size=28):
    """Client to server."""

    RequestAction = Int32(4, vls=8, default=1)  # RequestActionEnum
    SymbolID = UInt32(8, vls=12)
    Symbol = Text(12, 64, vls=16)
    Exchange = Text(76, 16, vls=20)
    IntervalForSnapshotUpdatesInMilliseconds = UInt32(92, vls=24)


class MarketDataReject(Message, type=103, name="MARKET_DATA_REJECT", size=104, vls_size=16):
    """Server to client."""

    SymbolID = UInt32(4, vls=8)
    RejectText = Text(8, 96, vls=12)


class MarketDataSnapshot(Message, type=104, name="MARKET_DATA_SNAPSHOT", size=144, compact=True):
    """Server to client."""

    SymbolID = UInt32(4)
    SessionSettlementPrice = DoubleOrUnset(8)
    SessionOpenPrice = DoubleOrUnset(16)
    SessionHighPrice = DoubleOrUnset(24)
    SessionLowPrice = DoubleOrUnset(32)
    SessionVolume = DoubleOrUnset(40)
    SessionNumTrades = UInt32OrUnset(48)
    OpenInterest = UInt32OrUnset(52)
    BidPrice = DoubleOrUnset(56)
    AskPrice = DoubleOrUnset(64)
    AskQuantity = DoubleOrUnset(72)
    BidQuantity = DoubleOrUnset(80)
    LastTradePrice = DoubleOrUnset(88)
    LastTradeVolume = DoubleOrUnset(96)
    LastTradeDateTime = FractionalSeconds(104)
    BidAskDateTime = FractionalSeconds(112)
    SessionSettlementDateTime = Seconds4(120)
    TradingSessionDate = Seconds4(124)
    TradingStatus = Int8(128)  # TradingStatusEnum
    MarketDepthUpdateDateTime = FractionalSeconds(136)


class MarketDataUpdateTrade(Message, type=107, name="MARKET_DATA_UPDATE_TRADE", size=40, compact=True):
    """Server to client. Marked "To be removed" in the 2026-08 header."""

    SymbolID = UInt32(4)
    AtBidOrAsk = UInt16(8)  # AtBidOrAskEnum
    Price = Double(16)
    Volume = Double(24)
    DateTime = FractionalSeconds(32)


class MarketDataUpdateBidAsk(Message, type=108, name="MARKET_DATA_UPDATE_BID_ASK", size=40, compact=True):
    """Server to client. Marked "To be removed" in the 2026-08 header."""

    SymbolID = UInt32(4)
    BidPrice = DoubleOrUnset(8)
    BidQuantity = Float(16)
    AskPrice = DoubleOrUnset(24)
    AskQuantity = Float(32)
    DateTime = Seconds4(36)


class MarketDataUpdateTradeCompact(Message, type=112, name="MARKET_DATA_UPDATE_TRADE_COMPACT", size=24, compact=True):
    """Server to client. Marked "To be removed" in the 2026-08 header."""

    Price = Float(4)
    Volume = Float(8)
    DateTime = Seconds4(12)
    SymbolID = UInt32(16)
    AtBidOrAsk = UInt16(20)  # AtBidOrAskEnum


class MarketDataUpdateSessionVolume(Message, type=113, name="MARKET_DATA_UPDATE_SESSION_VOLUME", size=24, compact=True):
    """Server to client."""

    SymbolID = UInt32(4)
    Volume = Double(8)
    TradingSessionDate = Seconds4(16)
    IsFinalSessionVolume = UInt8(20)


class MarketDataUpdateSessionHigh(Message, type=114, name="MARKET_DATA_UPDATE_SESSION_HIGH", size=24, compact=True):
    """Server to client."""

    SymbolID = UInt32(4)
    Price = Double(8)
    TradingSessionDate = Seconds4(16)


class MarketDataUpdateSessionLow(Message, type=115, name="MARKET_DATA_UPDATE_SESSION_LOW", size=24, compact=True):
    """Server to client."""

    SymbolID = UInt32(4)
    Price = Double(8)
    TradingSessionDate = Seconds4(16)


class MarketDataFeedSymbolStatus(Message, type=116, name="MARKET_DATA_FEED_SYMBOL_STATUS", size=12):
    """Server to client."""

    SymbolID = UInt32(4)
    Status = Int32(8)  # MarketDataFeedStatusEnum


class MarketDataUpdateBidAskCompact(
    Message, type=117, name="MARKET_DATA_UPDATE_BID_ASK_COMPACT", size=28, compact=True
):
    """Server to client. Marked "To be removed" in the 2026-08 header."""

    BidPrice = FloatOrUnset(4)
    BidQuantity = Float(8)
    AskPrice = FloatOrUnset(12)
    AskQuantity = Float(16)
    DateTime = Seconds4(20)
    SymbolID = UInt32(24)


class MarketDataUpdateSessionSettlement(
    Message, type=119, name="MARKET_DATA_UPDATE_SESSION_SETTLEMENT", size=24, compact=True
):
    """Server to client."""

    SymbolID = UInt32(4)
    Price = Double(8)
    DateTime = Seconds4(16)


class MarketDataUpdateSessionOpen(Message, type=120, name="MARKET_DATA_UPDATE_SESSION_OPEN", size=24, compact=True):
    """Server to client."""

    SymbolID = UInt32(4)
    Price = Double(8)
    TradingSessionDate = Seconds4(16)


class MarketDataUpdateOpenInterest(Message, type=124, name="MARKET_DATA_UPDATE_OPEN_INTEREST", size=16, compact=True):
    """Server to client."""

    SymbolID = UInt32(4)
    OpenInterest = UInt32(8)
    TradingSessionDate = Seconds4(12)


class MarketDataUpdateLastTradeSnapshot(
    Message, type=134, name="MARKET_DATA_UPDATE_LAST_TRADE_SNAPSHOT", size=32, compact=True
):
    """Server to client."""

    SymbolID = UInt32(4)
    LastTradePrice = Double(8)
    LastTradeVolume = Double(16)
    LastTradeDateTime = FractionalSeconds(24)


class MarketDataUpdateSessionNumTrades(Message, type=135, name="MARKET_DATA_UPDATE_SESSION_NUM_TRADES", size=16):
    """Server to client."""

    SymbolID = UInt32(4)
    NumTrades = UInt32(8)
    TradingSessionDate = Seconds4(12)


class MarketDataUpdateTradingSessionDate(Message, type=136, name="MARKET_DATA_UPDATE_TRADING_SESSION_DATE", size=12):
    """Server to client."""

    SymbolID = UInt32(4)
    Date = Seconds4(8)


class MarketDataUpdateTradeWithUnbundledIndicator(
    Message, type=137, name="MARKET_DATA_UPDATE_TRADE_WITH_UNBUNDLED_INDICATOR", size=40
):
    """Server to client. Marked "To be removed" in the 2026-08 header."""

    SymbolID = UInt32(4)
    AtBidOrAsk = UInt8(8)  # AtBidOrAskEnum8
    UnbundledTradeIndicator = Int8(9)  # UnbundledTradeIndicatorEnum
    TradeCondition = UInt8(10)
    Reserve_1 = UInt8(11)
    Reserve_2 = UInt32(12)
    Price = Double(16)
    Volume = UInt32(24)
    Reserve_3 = UInt32(28)
    DateTime = FractionalSeconds(32)


class TradingSymbolStatus(Message, type=138, name="TRADING_SYMBOL_STATUS", size=12):
    """Server to client."""

    SymbolID = UInt32(4)
    Status = Int8(8)  # TradingStatusEnum


class MarketDataUpdateTradeNoTimestamp(Message, type=142, name="MARKET_DATA_UPDATE_TRADE_NO_TIMESTAMP", size=19):
    """Server to client. Gone from the 2026-08 header."""

    SymbolID = UInt32(4)
    Price = Float(8)
    Volume = UInt32(12)
    AtBidOrAsk = UInt8(16)  # AtBidOrAskEnum8
    UnbundledTradeIndicator = Int8(17)  # UnbundledTradeIndicatorEnum
    TradeCondition = Int8(18)  # TradeConditionEnum


class MarketDataUpdateBidAskNoTimestamp(Message, type=143, name="MARKET_DATA_UPDATE_BID_ASK_NO_TIMESTAMP", size=24):
    """Server to client. Gone from the 2026-08 header."""

    SymbolID = UInt32(4)
    BidPrice = FloatOrUnset(8)
    BidQuantity = UInt32(12)
    AskPrice = FloatOrUnset(16)
    AskQuantity = UInt32(20)


class MarketDataUpdateBidAskFloatWithMicroseconds(
    Message, type=144, name="MARKET_DATA_UPDATE_BID_ASK_FLOAT_WITH_MICROSECONDS", size=32
):
    """Server to client. Marked "To be removed" in the 2026-08 header."""

    SymbolID = UInt32(4)
    BidPrice = FloatOrUnset(8)
    BidQuantity = Float(12)
    AskPrice = FloatOrUnset(16)
    AskQuantity = Float(20)
    DateTime = Microseconds(24)


class MarketDataUpdateTradeWithUnbundledIndicator2(
    Message, type=146, name="MARKET_DATA_UPDATE_TRADE_WITH_UNBUNDLED_INDICATOR_2", size=27
):
    """Server to client. Marked "To be removed" in the 2026-08 header."""

    SymbolID = UInt32(4)
    Price = Float(8)
    Volume = UInt32(12)
    DateTime = Microseconds(16)
    AtBidOrAsk = UInt8(24)  # AtBidOrAskEnum8
    UnbundledTradeIndicator = Int8(25)  # UnbundledTradeIndicatorEnum
    TradeCondition = Int8(26)


class MarketDataUpdateTradeV2(Message, type=147, name="MARKET_DATA_UPDATE_TRADE_V2", size=40):
    """Server to client. New in the 2026-08 header."""

    SymbolID = UInt32(4)
    Price = Double(8)
    Volume = Double(16)
    DateTime = Microseconds(24)
    AtBidOrAsk = UInt8(32)  # AtBidOrAskEnum8
    UnbundledTradeIndicator = Int8(33)  # UnbundledTradeIndicatorEnum
    TradeCondition = Int8(34)


class MarketDataUpdateBidAskDoubleWithMicroseconds(
    Message, type=148, name="MARKET_DATA_UPDATE_BID_ASK_DOUBLE_WITH_MICROSECONDS", size=48
):
    """Server to client. New in the 2026-08 header."""

    SymbolID = UInt32(4)
    BidPrice = DoubleOrUnset(8)
    BidQuantity = Double(16)
    AskPrice = DoubleOrUnset(24)
    AskQuantity = Double(32)
    DateTime = Microseconds(40)
