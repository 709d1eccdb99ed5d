"""Market depth and market-by-order messages."""

from __future__ import annotations

from dtcpos.dtc.fields import (
    Double,
    Float,
    FractionalSeconds,
    Int8,
    Int32,
    Microseconds,
    Milliseconds,
    Text,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
)
from dtcpos.dtc.message import Message


class MarketDepthRequest(Message, type=102, name="MARKET_DEPTH_REQUEST", size=96, vls_size=28):
    """Client to server."""

    RequestAction = Int32(4, vls=8, default=1)  # RequestActionEnum
    SymbolID = UInt32(8, vls=12)
    Symbol = Text(12, 64, vls=16)
    Exchange = Text(76, 16, vls=20)
    NumLevels = Int32(92, vls=24)


class MarketDepthUpdateLevel(Message, type=106, name="MARKET_DEPTH_UPDATE_LEVEL", size=56, compact=True):
    """Server to client. Gone from the 2026-08 header."""

    SymbolID = UInt32(4)
    Side = UInt16(8)  # AtBidOrAskEnum
    Price = Double(16)
    Quantity = Double(24)
    UpdateType = UInt8(32)  # MarketDepthUpdateTypeEnum
    DateTime = FractionalSeconds(40)
    NumOrders = UInt32(48)
    FinalUpdateInBatch = UInt8(52)  # FinalUpdateInBatchEnum
    Level = UInt16(54)


class MarketDepthUpdateLevelV2(Message, type=109, name="MARKET_DEPTH_UPDATE_LEVEL_V2", size=39):
    """Server to client. New in the 2026-08 header."""

    SymbolID = UInt32(4)
    DateTime = Milliseconds(8)
    Price = Double(16)
    Quantity = Double(24)
    NumOrders = UInt16(32)
    Level = UInt16(34)
    Side = UInt8(36)  # AtBidOrAskEnum8
    UpdateType = UInt8(37)  # MarketDepthUpdateTypeEnum
    FinalUpdateInBatch = UInt8(38)  # FinalUpdateInBatchEnum


class MarketDepthReject(Message, type=121, name="MARKET_DEPTH_REJECT", size=104, vls_size=16):
    """Server to client."""

    SymbolID = UInt32(4, vls=8)
    RejectText = Text(8, 96, vls=12)


class MarketDepthSnapshotLevel(Message, type=122, name="MARKET_DEPTH_SNAPSHOT_LEVEL", size=56, compact=True):
    """Server to client."""

    SymbolID = UInt32(4)
    Side = UInt16(8)  # AtBidOrAskEnum
    Price = Double(16)
    Quantity = Double(24)
    Level = UInt16(32)
    IsFirstMessageInBatch = UInt8(34)
    IsLastMessageInBatch = UInt8(35)
    DateTime = FractionalSeconds(40)
    NumOrders = UInt32(48)


class MarketDepthUpdateLevelFloatWithMilliseconds(
    Message, type=140, name="MARKET_DEPTH_UPDATE_LEVEL_FLOAT_WITH_MILLISECONDS", size=31
):
    """Server to client. Marked "To be removed" in the 2026-08 header."""

    SymbolID = UInt32(4)
    DateTime = Milliseconds(8)
    Price = Float(16)
    Quantity = Float(20)
    Side = UInt8(24)  # AtBidOrAskEnum8
    UpdateType = UInt8(25)  # MarketDepthUpdateTypeEnum
    NumOrders = UInt16(26)
    FinalUpdateInBatch = UInt8(28)  # FinalUpdateInBatchEnum
    Level = UInt16(29)


class MarketDepthUpdateLevelNoTimestamp(Message, type=141, name="MARKET_DEPTH_UPDATE_LEVEL_NO_TIMESTAMP", size=23):
    """Server to client. Gone from the 2026-08 header."""

    SymbolID = UInt32(4)
    Price = Float(8)
    Quantity = Float(12)
    NumOrders = UInt16(16)
    Side = Int8(18)
    UpdateType = Int8(19)
    FinalUpdateInBatch = UInt8(20)  # FinalUpdateInBatchEnum
    Level = UInt16(21)


class MarketDepthSnapshotLevelFloat(Message, type=145, name="MARKET_DEPTH_SNAPSHOT_LEVEL_FLOAT", size=24):
    """Server to client. Marked "To be removed" in the 2026-08 header."""

    SymbolID = UInt32(4)
    Price = Float(8)
    Quantity = Float(12)
    NumOrders = UInt32(16)
    Level = UInt16(20)
    Side = UInt8(22)  # AtBidOrAskEnum8
    FinalUpdateInBatch = UInt8(23)  # FinalUpdateInBatchEnum


class MarketOrdersRequest(Message, type=150, name="MARKET_ORDERS_REQUEST", size=96, vls_size=28):
    """Client to server."""

    RequestAction = Int32(4, vls=8, default=1)  # RequestActionEnum
    SymbolID = UInt32(8, vls=12)
    Symbol = Text(12, 64, vls=16)
    Exchange = Text(76, 16, vls=20)
    SendQuantitiesGreaterOrEqualTo = Int32(92, vls=24)


class MarketOrdersReject(Message, type=151, name="MARKET_ORDERS_REJECT", size=104, vls_size=16):
    """Server to client."""

    SymbolID = UInt32(4, vls=8)
    RejectText = Text(8, 96, vls=12)


class MarketOrdersAdd(Message, type=152, name="MARKET_ORDERS_ADD", size=40):
    """Server to client."""

    SymbolID = UInt32(4)
    Side = Int32(8)  # BuySellEnum
    Quantity = UInt32(12)
    Price = Double(16)
    OrderID = UInt64(24)
    DateTime = Microseconds(32)


class MarketOrdersModify(Message, type=153, name="MARKET_ORDERS_MODIFY", size=60):
    """Server to client."""

    SymbolID = UInt32(4)
    Side = Int32(8)  # BuySellEnum
    Quantity = UInt32(12)
    Price = Double(16)
    OrderID = UInt64(24)
    PriorPrice = Double(32)
    PriorQuantity = UInt32(40)
    PriorOrderID = UInt64(44)
    DateTime = Microseconds(52)


class MarketOrdersRemove(Message, type=154, name="MARKET_ORDERS_REMOVE", size=40):
    """Server to client."""

    SymbolID = UInt32(4)
    Quantity = UInt32(8)
    Price = Double(12)
    OrderID = UInt64(20)
    DateTime = Microseconds(28)
    Side = Int32(36)  # BuySellEnum


class MarketOrdersSnapshotMessageBoundary(Message, type=155, name="MARKET_ORDERS_SNAPSHOT_MESSAGE_BOUNDARY", size=9):
    """Server to client."""

    SymbolID = UInt32(4)
    MessageBoundary = UInt8(8)  # MessageSetBoundaryEnum
