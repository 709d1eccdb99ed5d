"""Session messages: encoding, logon, heartbeat, logoff, and what the server says in words."""

from __future__ import annotations

from dtcpos.dtc.fields import Int32, Seconds, Text, UInt8, UInt32
from dtcpos.dtc.message import Message


class LogonRequest(Message, type=1, name="LOGON_REQUEST", size=284, vls_size=56):
    """Client to server."""

    ProtocolVersion = Int32(4, vls=8, default=8)
    Username = Text(8, 32, vls=12)
    Password = Text(40, 32, vls=16)
    GeneralTextData = Text(72, 64, vls=20)
    Integer_1 = Int32(136, vls=24)
    Integer_2 = Int32(140, vls=28)
    HeartbeatIntervalInSeconds = Int32(144, vls=32)
    Unused1 = Int32(148, vls=36)
    TradeAccount = Text(152, 32, vls=40)
    HardwareIdentifier = Text(184, 64, vls=44)
    ClientName = Text(248, 32, vls=48)
    MarketDataTransmissionInterval = Int32(280, vls=52)


class LogonResponse(Message, type=2, name="LOGON_RESPONSE", size=256, vls_size=52):
    """Server to client."""

    ProtocolVersion = Int32(4, vls=8, default=8)
    Result = Int32(8, vls=12, default=1)  # LogonStatusEnum
    ResultText = Text(12, 96, vls=16)
    ReconnectAddress = Text(108, 64, vls=20)
    Integer_1 = Int32(172, vls=24)
    ServerName = Text(176, 60, vls=28)
    MarketDepthUpdatesBestBidAndAsk = UInt8(236, vls=32)
    TradingIsSupported = UInt8(237, vls=33)
    OCOOrdersSupported = UInt8(238, vls=34)
    OrderCancelReplaceSupported = UInt8(239, vls=35, default=1)
    SymbolExchangeDelimiter = Text(240, 4, vls=36)
    SecurityDefinitionsSupported = UInt8(244, vls=40)
    HistoricalPriceDataSupported = UInt8(245, vls=41)
    ResubscribeWhenMarketDataFeedAvailable = UInt8(246, vls=42)
    MarketDepthIsSupported = UInt8(247, vls=43, default=1)
    OneHistoricalPriceDataRequestPerConnection = UInt8(248, vls=44)
    BracketOrdersSupported = UInt8(249, vls=45)
    Unused_1 = UInt8(250, vls=46)
    UsesMultiplePositionsPerSymbolAndTradeAccount = UInt8(251, vls=47)
    MarketDataSupported = UInt8(252, vls=48, default=1)


class Heartbeat(Message, type=3, name="HEARTBEAT", size=16, compact=True):
    """Either way."""

    NumDroppedMessages = UInt32(4)
    CurrentDateTime = Seconds(8)


class Logoff(Message, type=5, name="LOGOFF", size=102, vls_size=12):
    """Either way."""

    Reason = Text(4, 96, vls=6)
    DoNotReconnect = UInt8(100, vls=10)


class EncodingRequest(Message, type=6, name="ENCODING_REQUEST", size=16):
    """Client to server."""

    ProtocolVersion = Int32(4, default=8)
    Encoding = Int32(8)  # EncodingEnum
    ProtocolType = Text(12, 4, default="DTC")


class EncodingResponse(Message, type=7, name="ENCODING_RESPONSE", size=16):
    """Server to client."""

    ProtocolVersion = Int32(4, default=8)
    Encoding = Int32(8)  # EncodingEnum
    ProtocolType = Text(12, 4, default="DTC")


class UserMessage(Message, type=700, name="USER_MESSAGE", size=262, vls_size=12):
    """Server to client."""

    UserMessage = Text(4, 256, vls=6)
    IsPopupMessage = UInt8(260, vls=10, default=1)


class GeneralLogMessage(Message, type=701, name="GENERAL_LOG_MESSAGE", size=132, vls_size=10):
    """Server to client."""

    MessageText = Text(4, 128, vls=6)


class AlertMessage(Message, type=702, name="ALERT_MESSAGE", size=164, vls_size=14):
    """Server to client."""

    MessageText = Text(4, 128, vls=6)
    TradeAccount = Text(132, 32, vls=10)
