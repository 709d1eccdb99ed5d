"""Order, fill and position messages."""

from __future__ import annotations

from dtcpos.dtc.fields import (
    Double,
    DoubleOrUnset,
    FractionalSeconds,
    Int32,
    Milliseconds,
    Seconds,
    Seconds4,
    Text,
    UInt8,
)
from dtcpos.dtc.message import Message


class OpenOrdersRequest(Message, type=300, name="OPEN_ORDERS_REQUEST", size=76, vls_size=24):
    """Client to server."""

    RequestID = Int32(4, vls=8)
    RequestAllOrders = Int32(8, vls=12, default=1)
    ServerOrderID = Text(12, 32, vls=16)
    TradeAccount = Text(44, 32, vls=20)


class OrderUpdate(Message, type=301, name="ORDER_UPDATE", size=720, vls_size=216):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    TotalNumMessages = Int32(8, vls=12)
    MessageNumber = Int32(12, vls=16)
    Symbol = Text(16, 64, vls=20)
    Exchange = Text(80, 16, vls=24)
    PreviousServerOrderID = Text(96, 32, vls=28)
    ServerOrderID = Text(128, 32, vls=32)
    ClientOrderID = Text(160, 32, vls=36)
    ExchangeOrderID = Text(192, 32, vls=40)
    OrderStatus = Int32(224, vls=44)  # OrderStatusEnum
    OrderUpdateReason = Int32(228, vls=48)  # OrderUpdateReasonEnum
    OrderType = Int32(232, vls=52)  # OrderTypeEnum
    BuySell = Int32(236, vls=56)  # BuySellEnum
    Price1 = DoubleOrUnset(240, vls=64)
    Price2 = DoubleOrUnset(248, vls=72)
    TimeInForce = Int32(256, vls=80)  # TimeInForceEnum
    GoodTillDateTime = Seconds(264, vls=88)
    OrderQuantity = DoubleOrUnset(272, vls=96)
    FilledQuantity = DoubleOrUnset(280, vls=104)
    RemainingQuantity = DoubleOrUnset(288, vls=112)
    AverageFillPrice = DoubleOrUnset(296, vls=120)
    LastFillPrice = DoubleOrUnset(304, vls=128)
    LastFillDateTime = Milliseconds(312, vls=136)
    LastFillQuantity = DoubleOrUnset(320, vls=144)
    LastFillExecutionID = Text(328, 64, vls=152)
    TradeAccount = Text(392, 32, vls=156)
    InfoText = Text(424, 96, vls=160)
    NoOrders = UInt8(520, vls=164)
    ParentServerOrderID = Text(521, 32, vls=166)
    OCOLinkedOrderServerOrderID = Text(553, 32, vls=170)
    OpenOrClose = Int32(588, vls=176)  # OpenCloseTradeEnum
    PreviousClientOrderID = Text(592, 32, vls=180)
    FreeFormText = Text(624, 48, vls=184)
    OrderReceivedDateTime = Seconds(672, vls=192)
    LatestTransactionDateTime = FractionalSeconds(680, vls=200)
    Username = Text(688, 32, vls=208)


class OpenOrdersReject(Message, type=302, name="OPEN_ORDERS_REJECT", size=104, vls_size=16):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    RejectText = Text(8, 96, vls=12)


class HistoricalOrderFillsRequest(Message, type=303, name="HISTORICAL_ORDER_FILLS_REQUEST", size=88, vls_size=32):
    """Client to server."""

    RequestID = Int32(4, vls=8)
    ServerOrderID = Text(8, 32, vls=12)
    NumberOfDays = Int32(40, vls=16)
    TradeAccount = Text(44, 32, vls=20)
    StartDateTime = Seconds(80, vls=24)


class HistoricalOrderFillResponse(Message, type=304, name="HISTORICAL_ORDER_FILL_RESPONSE", size=480, vls_size=128):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    TotalNumberMessages = Int32(8, vls=12)
    MessageNumber = Int32(12, vls=16)
    Symbol = Text(16, 64, vls=20)
    Exchange = Text(80, 16, vls=24)
    ServerOrderID = Text(96, 32, vls=28)
    BuySell = Int32(128, vls=32)  # BuySellEnum
    Price = Double(136, vls=40)
    DateTime = Seconds(144, vls=48)
    Quantity = Double(152, vls=56)
    UniqueExecutionID = Text(160, 64, vls=64)
    TradeAccount = Text(224, 32, vls=68)
    OpenClose = Int32(256, vls=72)  # OpenCloseTradeEnum
    NoOrderFills = UInt8(260, vls=76)
    InfoText = Text(261, 96, vls=78)
    HighPriceDuringPosition = Double(360, vls=88)
    LowPriceDuringPosition = Double(368, vls=96)
    PositionQuantity = DoubleOrUnset(376, vls=104)
    Username = Text(384, 32, vls=112)
    ExchangeOrderID = Text(416, 32, vls=116)
    SenderSubID = Text(448, 32, vls=120)


class CurrentPositionsRequest(Message, type=305, name="CURRENT_POSITIONS_REQUEST", size=40, vls_size=16):
    """Client to server."""

    RequestID = Int32(4, vls=8)
    TradeAccount = Text(8, 32, vls=12)


class PositionUpdate(Message, type=306, name="POSITION_UPDATE", size=240, vls_size=120):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    TotalNumberMessages = Int32(8, vls=12)
    MessageNumber = Int32(12, vls=16)
    Symbol = Text(16, 64, vls=20)
    Exchange = Text(80, 16, vls=24)
    Quantity = Double(96, vls=32)
    AveragePrice = Double(104, vls=40)
    PositionIdentifier = Text(112, 32, vls=48)
    TradeAccount = Text(144, 32, vls=52)
    NoPositions = UInt8(176, vls=56)
    Unsolicited = UInt8(177, vls=57)
    MarginRequirement = Double(184, vls=64)
    EntryDateTime = Seconds4(192, vls=72)
    OpenProfitLoss = Double(200, vls=80)
    HighPriceDuringPosition = Double(208, vls=88)
    LowPriceDuringPosition = Double(216, vls=96)
    QuantityLimit = Double(224, vls=104)
    MaxPotentialPostionQuantity = Double(232, vls=112)


class CurrentPositionsReject(Message, type=307, name="CURRENT_POSITIONS_REJECT", size=104, vls_size=16):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    RejectText = Text(8, 96, vls=12)


class HistoricalOrderFillsReject(Message, type=308, name="HISTORICAL_ORDER_FILLS_REJECT", size=104, vls_size=16):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    RejectText = Text(8, 96, vls=12)


class AddCorrectingOrderFill(Message, type=309, name="ADD_CORRECTING_ORDER_FILL", size=216, vls_size=56):
    """Client to server."""

    Symbol = Text(4, 64, vls=6)
    Exchange = Text(68, 16, vls=10)
    TradeAccount = Text(84, 32, vls=14)
    ClientOrderID = Text(116, 32, vls=18)
    BuySell = Int32(148, vls=24)  # BuySellEnum
    FillPrice = Double(152, vls=32)
    FillQuantity = Double(160, vls=40)
    FreeFormText = Text(168, 48, vls=48)


class CorrectingOrderFillResponse(Message, type=310, name="CORRECTING_ORDER_FILL_RESPONSE", size=294, vls_size=16):
    """Server to client."""

    ClientOrderID = Text(4, 32, vls=6)
    ResultText = Text(36, 256, vls=10)
    IsError = UInt8(292, vls=14)
