"""Order entry messages, known so that a capture can be read; dtcpos never sends one."""

from __future__ import annotations

from dtcpos.dtc.fields import Double, Int8, Int32, Seconds, Text, UInt8
from dtcpos.dtc.message import Message


class SubmitNewOcoOrder(Message, type=201, name="SUBMIT_NEW_OCO_ORDER", size=448, vls_size=176):
    """Client to server."""

    Symbol = Text(4, 64, vls=6)
    Exchange = Text(68, 16, vls=10)
    ClientOrderID_1 = Text(84, 32, vls=14)
    OrderType_1 = Int32(116, vls=20)  # OrderTypeEnum
    BuySell_1 = Int32(120, vls=24)  # BuySellEnum
    Price1_1 = Double(128, vls=32)
    Price2_1 = Double(136, vls=40)
    Quantity_1 = Double(144, vls=48)
    ClientOrderID_2 = Text(152, 32, vls=56)
    OrderType_2 = Int32(184, vls=60)  # OrderTypeEnum
    BuySell_2 = Int32(188, vls=64)  # BuySellEnum
    Price1_2 = Double(192, vls=72)
    Price2_2 = Double(200, vls=80)
    Quantity_2 = Double(208, vls=88)
    TimeInForce = Int32(216, vls=96)  # TimeInForceEnum
    GoodTillDateTime = Seconds(224, vls=104)
    TradeAccount = Text(232, 32, vls=112)
    IsAutomatedOrder = UInt8(264, vls=116)
    ParentTriggerClientOrderID = Text(265, 32, vls=118)
    FreeFormText = Text(297, 48, vls=122)
    OpenOrClose = Int32(348, vls=128)  # OpenCloseTradeEnum
    PartialFillHandling = Int8(352, vls=132)  # PartialFillHandlingEnum
    UseOffsets = UInt8(353, vls=133)
    OffsetFromParent1 = Double(360, vls=136)
    OffsetFromParent2 = Double(368, vls=144)
    MaintainSamePricesOnParentFill = UInt8(376, vls=152)
    Price1_1AsString = Text(377, 16, vls=154)
    Price2_1AsString = Text(393, 16, vls=158)
    Price1_2AsString = Text(409, 16, vls=162)
    Price2_2AsString = Text(425, 16, vls=166)


class CancelOrder(Message, type=203, name="CANCEL_ORDER", size=100, vls_size=18):
    """Client to server."""

    ServerOrderID = Text(4, 32, vls=6)
    ClientOrderID = Text(36, 32, vls=10)
    TradeAccount = Text(68, 32, vls=14)


class CancelReplaceOrder(Message, type=204, name="CANCEL_REPLACE_ORDER", size=192, vls_size=80):
    """Client to server."""

    ServerOrderID = Text(4, 32, vls=6)
    ClientOrderID = Text(36, 32, vls=10)
    Price1 = Double(72, vls=16)
    Price2 = Double(80, vls=24)
    Quantity = Double(88, vls=32)
    Price1IsSet = UInt8(96, vls=40, default=1)
    Price2IsSet = UInt8(97, vls=41, default=1)
    Unused = Int32(100, vls=44)
    TimeInForce = Int32(104, vls=48)  # TimeInForceEnum
    GoodTillDateTime = Seconds(112, vls=56)
    UpdatePrice1OffsetToParent = UInt8(120, vls=64)
    TradeAccount = Text(121, 32, vls=66)
    Price1AsString = Text(153, 16, vls=70)
    Price2AsString = Text(169, 16, vls=74)


class SubmitNewSingleOrder(Message, type=208, name="SUBMIT_NEW_SINGLE_ORDER", size=304, vls_size=112):
    """Client to server."""

    Symbol = Text(4, 64, vls=6)
    Exchange = Text(68, 16, vls=10)
    TradeAccount = Text(84, 32, vls=14)
    ClientOrderID = Text(116, 32, vls=18)
    OrderType = Int32(148, vls=24)  # OrderTypeEnum
    BuySell = Int32(152, vls=28)  # BuySellEnum
    Price1 = Double(160, vls=32)
    Price2 = Double(168, vls=40)
    Quantity = Double(176, vls=48)
    TimeInForce = Int32(184, vls=56)  # TimeInForceEnum
    GoodTillDateTime = Seconds(192, vls=64)
    IsAutomatedOrder = UInt8(200, vls=72)
    IsParentOrder = UInt8(201, vls=73)
    FreeFormText = Text(202, 48, vls=74)
    OpenOrClose = Int32(252, vls=80)  # OpenCloseTradeEnum
    MaxShowQuantity = Double(256, vls=88)
    Price1AsString = Text(264, 16, vls=96)
    Price2AsString = Text(280, 16, vls=100)
    IntendedPositionQuantity = Double(296, vls=104)


class SubmitFlattenPositionOrder(Message, type=209, name="SUBMIT_FLATTEN_POSITION_ORDER", size=198, vls_size=28):
    """Client to server."""

    Symbol = Text(4, 64, vls=6)
    Exchange = Text(68, 16, vls=10)
    TradeAccount = Text(84, 32, vls=14)
    ClientOrderID = Text(116, 32, vls=18)
    FreeFormText = Text(148, 48, vls=22)
    IsAutomatedOrder = UInt8(196, vls=26)
