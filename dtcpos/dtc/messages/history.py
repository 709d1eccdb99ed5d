"""Journal, historical price and historical depth messages."""

from __future__ import annotations

from dtcpos.dtc.fields import (
    Double,
    Float,
    FractionalSeconds,
    Int16,
    Int32,
    Microseconds,
    Seconds,
    Text,
    UInt8,
    UInt16,
    UInt32,
)
from dtcpos.dtc.message import Message


class JournalEntryAdd(Message, type=703, name="JOURNAL_ENTRY_ADD", size=272, vls_size=24):
    """Client to server."""

    JournalEntry = Text(4, 256, vls=6)
    DateTime = Seconds(264, vls=16)


class JournalEntriesRequest(Message, type=704, name="JOURNAL_ENTRIES_REQUEST", size=16):
    """Client to server."""

    RequestID = Int32(4)
    StartDateTime = Seconds(8)


class JournalEntriesReject(Message, type=705, name="JOURNAL_ENTRIES_REJECT", size=104, vls_size=16):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    RejectText = Text(8, 96, vls=12)


class JournalEntryResponse(Message, type=706, name="JOURNAL_ENTRY_RESPONSE", size=280, vls_size=32):
    """Server to client."""

    JournalEntry = Text(4, 256, vls=6)
    DateTime = Seconds(264, vls=16)
    IsFinalResponse = UInt8(272, vls=24)


class HistoricalPriceDataRequest(Message, type=800, name="HISTORICAL_PRICE_DATA_REQUEST", size=128, vls_size=56):
    """Client to server."""

    RequestID = Int32(4, vls=8)
    Symbol = Text(8, 64, vls=12)
    Exchange = Text(72, 16, vls=16)
    RecordInterval = Int32(88, vls=20)  # HistoricalDataIntervalEnum
    StartDateTime = Seconds(96, vls=24)
    EndDateTime = Seconds(104, vls=32)
    MaxDaysToReturn = UInt32(112, vls=40)
    UseZLibCompression = UInt8(116, vls=44)
    RequestDividendAdjustedStockData = UInt8(117, vls=45)
    Integer_1 = UInt16(118, vls=46)
    UseZLibNGCompression = UInt8(120, vls=48)


class HistoricalPriceDataResponseHeader(Message, type=801, name="HISTORICAL_PRICE_DATA_RESPONSE_HEADER", size=24):
    """Server to client."""

    RequestID = Int32(4)
    RecordInterval = Int32(8)  # HistoricalDataIntervalEnum
    UseZLibCompression = UInt8(12)
    NoRecordsToReturn = UInt8(13)
    IntToFloatPriceDivisor = Float(16)
    UseZLibNGCompression = UInt8(20)


class HistoricalPriceDataReject(Message, type=802, name="HISTORICAL_PRICE_DATA_REJECT", size=108, vls_size=20):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    RejectText = Text(8, 96, vls=12)
    RejectReasonCode = Int16(104, vls=16)  # HistoricalPriceDataRejectReasonCodeEnum
    RetryTimeInSeconds = UInt16(106, vls=18)


class HistoricalPriceDataRecordResponse(
    Message, type=803, name="HISTORICAL_PRICE_DATA_RECORD_RESPONSE", size=88, compact=True
):
    """Server to client."""

    RequestID = Int32(4)
    StartDateTime = Microseconds(8)
    OpenPrice = Double(16)
    HighPrice = Double(24)
    LowPrice = Double(32)
    LastPrice = Double(40)
    Volume = Double(48)
    OpenInterest = UInt32(56)  # a union: NumTrades in intraday records
    BidVolume = Double(64)
    AskVolume = Double(72)
    IsFinalRecord = UInt8(80)


class HistoricalPriceDataTickRecordResponse(
    Message, type=804, name="HISTORICAL_PRICE_DATA_TICK_RECORD_RESPONSE", size=48, compact=True
):
    """Server to client."""

    RequestID = Int32(4)
    DateTime = FractionalSeconds(8)
    AtBidOrAsk = UInt16(16)  # AtBidOrAskEnum
    Price = Double(24)
    Volume = Double(32)
    IsFinalRecord = UInt8(40)


class HistoricalPriceDataResponseTrailer(Message, type=807, name="HISTORICAL_PRICE_DATA_RESPONSE_TRAILER", size=16):
    """Server to client."""

    RequestID = Int32(4)
    FinalRecordLastDateTime = Microseconds(8)


class HistoricalMarketDepthDataRequest(
    Message, type=900, name="HISTORICAL_MARKET_DEPTH_DATA_REQUEST", size=112, vls_size=48
):
    """Client to server."""

    RequestID = Int32(4, vls=8)
    Symbol = Text(8, 64, vls=12)
    Exchange = Text(72, 16, vls=16)
    StartDateTime = Microseconds(88, vls=24)
    EndDateTime = Microseconds(96, vls=32)
    UseZLibCompression = UInt8(104, vls=40)
    Integer_1 = UInt8(105, vls=41)
    UseZLibNGCompression = UInt8(106, vls=42)


class HistoricalMarketDepthDataResponseHeader(
    Message, type=901, name="HISTORICAL_MARKET_DEPTH_DATA_RESPONSE_HEADER", size=12
):
    """Server to client."""

    RequestID = Int32(4)
    UseZLibCompression = UInt8(8)
    NoRecordsToReturn = UInt8(9)
    UseZLibNGCompression = UInt8(10)


class HistoricalMarketDepthDataReject(
    Message, type=902, name="HISTORICAL_MARKET_DEPTH_DATA_REJECT", size=108, vls_size=20
):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    RejectText = Text(8, 96, vls=12)
    RejectReasonCode = Int16(104, vls=16)  # HistoricalPriceDataRejectReasonCodeEnum


class HistoricalMarketDepthDataRecordResponse(
    Message, type=903, name="HISTORICAL_MARKET_DEPTH_DATA_RECORD_RESPONSE", size=32
):
    """Server to client."""

    RequestID = Int32(4)
    StartDateTime = Microseconds(8)
    Command = UInt8(16)
    Flags = UInt8(17)
    NumOrders = UInt16(18)
    Price = Float(20)
    Quantity = UInt32(24)
    IsFinalRecord = UInt8(28)
