"""Exchange list and security definition messages."""

from __future__ import annotations

from dtcpos.dtc.fields import Double, Float, Int32, Int64, Seconds4, Text, UInt8, UInt32
from dtcpos.dtc.message import Message


class ExchangeListRequest(Message, type=500, name="EXCHANGE_LIST_REQUEST", size=8):
    """Client to server."""

    RequestID = Int32(4)


class ExchangeListResponse(Message, type=501, name="EXCHANGE_LIST_RESPONSE", size=76, vls_size=24):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    Exchange = Text(8, 16, vls=12)
    IsFinalMessage = UInt8(24, vls=16)
    Description = Text(25, 48, vls=18)


class SymbolsForExchangeRequest(Message, type=502, name="SYMBOLS_FOR_EXCHANGE_REQUEST", size=96, vls_size=28):
    """Client to server."""

    RequestID = Int32(4, vls=8)
    Exchange = Text(8, 16, vls=12)
    SecurityType = Int32(24, vls=16)  # SecurityTypeEnum
    RequestAction = Int32(28, vls=20, default=1)  # RequestActionEnum
    Symbol = Text(32, 64, vls=24)


class UnderlyingSymbolsForExchangeRequest(
    Message, type=503, name="UNDERLYING_SYMBOLS_FOR_EXCHANGE_REQUEST", size=28, vls_size=20
):
    """Client to server."""

    RequestID = Int32(4, vls=8)
    Exchange = Text(8, 16, vls=12)
    SecurityType = Int32(24, vls=16)  # SecurityTypeEnum


class SymbolsForUnderlyingRequest(Message, type=504, name="SYMBOLS_FOR_UNDERLYING_REQUEST", size=60, vls_size=24):
    """Client to server."""

    RequestID = Int32(4, vls=8)
    UnderlyingSymbol = Text(8, 32, vls=12)
    Exchange = Text(40, 16, vls=16)
    SecurityType = Int32(56, vls=20)  # SecurityTypeEnum


class SecurityDefinitionForSymbolRequest(
    Message, type=506, name="SECURITY_DEFINITION_FOR_SYMBOL_REQUEST", size=88, vls_size=20
):
    """Client to server."""

    RequestID = Int32(4, vls=8)
    Symbol = Text(8, 64, vls=12)
    Exchange = Text(72, 16, vls=16)


class SecurityDefinitionResponse(Message, type=507, name="SECURITY_DEFINITION_RESPONSE", size=432, vls_size=152):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    Symbol = Text(8, 64, vls=12)
    Exchange = Text(72, 16, vls=16)
    SecurityType = Int32(88, vls=20)  # SecurityTypeEnum
    Description = Text(92, 64, vls=24)
    MinPriceIncrement = Float(156, vls=28)
    PriceDisplayFormat = Int32(160, vls=32, default=-1)  # PriceDisplayFormatEnum
    CurrencyValuePerIncrement = Float(164, vls=36)
    IsFinalMessage = UInt8(168, vls=40)
    FloatToIntPriceMultiplier = Float(172, vls=44, default=1.0)
    IntToFloatPriceDivisor = Float(176, vls=48, default=1.0)
    UnderlyingSymbol = Text(180, 32, vls=52)
    UpdatesBidAskOnly = UInt8(212, vls=56)
    StrikePrice = Float(216, vls=60)
    PutOrCall = UInt8(220, vls=64)  # PutCallEnum
    ShortInterest = UInt32(224, vls=68)
    SecurityExpirationDate = Seconds4(228, vls=72)
    BuyRolloverInterest = Float(232, vls=76)
    SellRolloverInterest = Float(236, vls=80)
    EarningsPerShare = Float(240, vls=84)
    SharesOutstanding = UInt32(244, vls=88)
    IntToFloatQuantityDivisor = Float(248, vls=92)
    HasMarketDepthData = UInt8(252, vls=96, default=1)
    DisplayPriceMultiplier = Float(256, vls=100, default=1.0)
    ExchangeSymbol = Text(260, 64, vls=104)
    InitialMarginRequirement = Float(324, vls=108)
    MaintenanceMarginRequirement = Float(328, vls=112)
    Currency = Text(332, 8, vls=116)
    ContractSize = Float(340, vls=120)
    OpenInterest = UInt32(344, vls=124)
    RolloverDate = Seconds4(348, vls=128)
    IsDelayed = UInt8(352, vls=132)
    SecurityIdentifier = Int64(360, vls=136)
    ProductIdentifier = Text(368, 64, vls=144)


class SymbolSearchRequest(Message, type=508, name="SYMBOL_SEARCH_REQUEST", size=96, vls_size=28):
    """Client to server."""

    RequestID = Int32(4, vls=8)
    SearchText = Text(8, 64, vls=12)
    Exchange = Text(72, 16, vls=16)
    SecurityType = Int32(88, vls=20)  # SecurityTypeEnum
    SearchType = Int32(92, vls=24)  # SearchTypeEnum


class SecurityDefinitionReject(Message, type=509, name="SECURITY_DEFINITION_REJECT", size=104, vls_size=16):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    RejectText = Text(8, 96, vls=12)


class SecurityDefinitionResponseV2(Message, type=510, name="SECURITY_DEFINITION_RESPONSE_V2", size=472):
    """Server to client. New in the 2026-08 header. Its layout with variable-length strings is not known."""

    RequestID = Int32(4)
    Symbol = Text(8, 64)
    Exchange = Text(72, 16)
    SecurityType = Int32(88)  # SecurityTypeEnum
    PriceDisplayFormat = Int32(92, default=-1)  # PriceDisplayFormatEnum
    Description = Text(96, 64)
    MinPriceIncrement = Double(160)
    CurrencyValuePerIncrement = Double(168)
    FloatToIntPriceMultiplier = Double(176, default=1.0)
    IntToFloatPriceDivisor = Double(184, default=1.0)
    UnderlyingSymbol = Text(192, 32)
    IsFinalMessage = UInt8(224)
    UpdatesBidAskOnly = UInt8(225)
    PutOrCall = UInt8(226)  # PutCallEnum
    HasMarketDepthData = UInt8(227, default=1)
    SharesOutstanding = UInt32(228)
    StrikePrice = Double(232)
    ShortInterest = UInt32(240)
    SecurityExpirationDate = Seconds4(244)
    BuyRolloverInterest = Double(248)
    SellRolloverInterest = Double(256)
    EarningsPerShare = Double(264)
    IntToFloatQuantityDivisor = Double(272)
    DisplayPriceMultiplier = Double(280, default=1.0)
    ExchangeSymbol = Text(288, 64)
    InitialMarginRequirement = Double(352)
    MaintenanceMarginRequirement = Double(360)
    Currency = Text(368, 8)
    ContractSize = Double(376)
    OpenInterest = UInt32(384)
    RolloverDate = Seconds4(388)
    SecurityIdentifier = Int64(392)
    ProductIdentifier = Text(400, 64)
    IsDelayed = UInt8(464)
