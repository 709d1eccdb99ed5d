"""Trade account and balance messages."""

from __future__ import annotations

from dtcpos.dtc.fields import Double, FractionalSeconds, Int32, Int64, Microseconds, Seconds, Text, UInt8, UInt64
from dtcpos.dtc.message import Message


class TradeAccountsRequest(Message, type=400, name="TRADE_ACCOUNTS_REQUEST", size=8):
    """Client to server."""

    RequestID = Int32(4)


class TradeAccountResponse(Message, type=401, name="TRADE_ACCOUNT_RESPONSE", size=52, vls_size=28):
    """Server to client."""

    TotalNumberMessages = Int32(4, vls=8)
    MessageNumber = Int32(8, vls=12)
    TradeAccount = Text(12, 32, vls=16)
    RequestID = Int32(44, vls=20)
    TradingIsDisabled = Int32(48, vls=24)


class AccountBalanceUpdate(Message, type=600, name="ACCOUNT_BALANCE_UPDATE", size=416, vls_size=200):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    CashBalance = Double(8, vls=16)
    BalanceAvailableForNewPositions = Double(16, vls=24)
    AccountCurrency = Text(24, 8, vls=32)
    TradeAccount = Text(32, 32, vls=36)
    SecuritiesValue = Double(64, vls=40)
    MarginRequirement = Double(72, vls=48)
    TotalNumberMessages = Int32(80, vls=56)
    MessageNumber = Int32(84, vls=60)
    NoAccountBalances = UInt8(88, vls=64)
    Unsolicited = UInt8(89, vls=65)
    OpenPositionsProfitLoss = Double(96, vls=72)
    DailyProfitLoss = Double(104, vls=80)
    InfoText = Text(112, 96, vls=88)
    TransactionIdentifier = UInt64(208, vls=96)
    DailyNetLossLimit = Double(216, vls=104)
    TrailingAccountValueToLimitPositions = Double(224, vls=112)
    DailyNetLossLimitReached = UInt8(232, vls=120)
    IsUnderRequiredMargin = UInt8(233, vls=121)
    ClosePositionsAtEndOfDay = UInt8(234, vls=122)
    TradingIsDisabled = UInt8(235, vls=123)
    Description = Text(236, 96, vls=124)
    IsUnderRequiredAccountValue = UInt8(332, vls=128)
    TransactionDateTime = Microseconds(336, vls=136)
    MarginRequirementFull = Double(344, vls=144)
    MarginRequirementFullPositionsOnly = Double(352, vls=152)
    PeakMarginRequirement = Double(360, vls=160)
    IntroducingBroker = Text(368, 32, vls=176)
    OpenPositionsProfitLossBasedOnSettlementPrice = Double(400, vls=184)
    LastOrderActivityDateTime = Microseconds(408, vls=192)
    EndOfDayAccountValue = Double(None, vls=168)  # only in the VLS header


class AccountBalanceRequest(Message, type=601, name="ACCOUNT_BALANCE_REQUEST", size=40, vls_size=16):
    """Client to server."""

    RequestID = Int32(4, vls=8)
    TradeAccount = Text(8, 32, vls=12)


class AccountBalanceReject(Message, type=602, name="ACCOUNT_BALANCE_REJECT", size=104, vls_size=16):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    RejectText = Text(8, 96, vls=12)


class HistoricalAccountBalancesRequest(
    Message, type=603, name="HISTORICAL_ACCOUNT_BALANCES_REQUEST", size=48, vls_size=24
):
    """Client to server."""

    RequestID = Int32(4, vls=8)
    TradeAccount = Text(8, 32, vls=12)
    StartDateTime = Seconds(40, vls=16)


class HistoricalAccountBalancesReject(
    Message, type=604, name="HISTORICAL_ACCOUNT_BALANCES_REJECT", size=104, vls_size=16
):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    RejectText = Text(8, 96, vls=12)


class HistoricalAccountBalanceResponse(
    Message, type=606, name="HISTORICAL_ACCOUNT_BALANCE_RESPONSE", size=232, vls_size=56
):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    DateTime = FractionalSeconds(8, vls=16)
    CashBalance = Double(16, vls=24)
    AccountCurrency = Text(24, 8, vls=32)
    TradeAccount = Text(32, 32, vls=36)
    IsFinalResponse = UInt8(64, vls=40)
    NoAccountBalances = UInt8(65, vls=41)
    InfoText = Text(66, 96, vls=42)
    TransactionId = Text(162, 64, vls=46)


class AccountBalanceAdjustment(Message, type=607, name="ACCOUNT_BALANCE_ADJUSTMENT", size=168, vls_size=48):
    """Client to server."""

    RequestID = Int32(4, vls=8)
    TradeAccount = Text(8, 32, vls=12)
    CreditAmount = Double(40, vls=16)
    DebitAmount = Double(48, vls=24)
    Currency = Text(56, 8, vls=32)
    Reason = Text(64, 96, vls=36)
    RecalculateDailyLossLimit = UInt8(160, vls=40)


class AccountBalanceAdjustmentReject(
    Message, type=608, name="ACCOUNT_BALANCE_ADJUSTMENT_REJECT", size=136, vls_size=20
):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    RejectText = Text(8, 96, vls=12)
    TradeAccount = Text(104, 32, vls=16)


class AccountBalanceAdjustmentComplete(
    Message, type=609, name="ACCOUNT_BALANCE_ADJUSTMENT_COMPLETE", size=56, vls_size=40
):
    """Server to client."""

    RequestID = Int32(4, vls=8)
    TransactionID = Int64(8, vls=16)
    TradeAccount = Text(16, 32, vls=24)
    NewBalance = Double(48, vls=32)
