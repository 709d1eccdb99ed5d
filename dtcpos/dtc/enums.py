"""The enums of the protocol that dtcpos uses; values are those of the official header."""

from __future__ import annotations

from enum import IntEnum


class Encoding(IntEnum):
    """How messages are written on the wire."""

    BINARY = 0
    VLS = 1
    JSON = 2
    JSON_COMPACT = 3

    @property
    def is_text(self) -> bool:
        """Whether messages are JSON ended by a NUL rather than sized binary."""
        return self >= Encoding.JSON

    @property
    def word(self) -> str:
        """The name on the command line: binary, vls, json or compact."""
        return _WORDS[self]

    @classmethod
    def of_word(cls, word: str) -> Encoding:
        """Return the encoding a command-line name stands for; KeyError for any other."""
        return _BY_WORD[word]


_WORDS = {Encoding.BINARY: "binary", Encoding.VLS: "vls", Encoding.JSON: "json", Encoding.JSON_COMPACT: "compact"}
_BY_WORD = {word: encoding for encoding, word in _WORDS.items()}


class LogonStatus(IntEnum):
    """LogonResponse.Result."""

    SUCCESS = 1
    ERROR = 2
    ERROR_NO_RECONNECT = 3
    RECONNECT_NEW_ADDRESS = 4


class RequestAction(IntEnum):
    """What a market data request wants."""

    SUBSCRIBE = 1
    UNSUBSCRIBE = 2
    SNAPSHOT = 3
    SNAPSHOT_WITH_INTERVAL_UPDATES = 4


class OrderStatus(IntEnum):
    """The state of an order."""

    UNSPECIFIED = 0
    ORDER_SENT = 1
    PENDING_OPEN = 2
    PENDING_CHILD = 3
    OPEN = 4
    PENDING_CANCEL_REPLACE = 5
    PENDING_CANCEL = 6
    FILLED = 7
    CANCELED = 8
    REJECTED = 9
    PARTIALLY_FILLED = 10


class OrderUpdateReason(IntEnum):
    """The event an ORDER_UPDATE reports; only the two fills report an execution."""

    UNSET = 0
    OPEN_ORDERS_REQUEST_RESPONSE = 1
    NEW_ORDER_ACCEPTED = 2
    GENERAL_ORDER_UPDATE = 3
    ORDER_FILLED = 4
    ORDER_FILLED_PARTIALLY = 5
    ORDER_CANCELED = 6
    ORDER_CANCEL_REPLACE_COMPLETE = 7
    NEW_ORDER_REJECTED = 8
    ORDER_CANCEL_REJECTED = 9
    ORDER_CANCEL_REPLACE_REJECTED = 10


class OrderType(IntEnum):
    """The kind of an order."""

    UNSET = 0
    MARKET = 1
    LIMIT = 2
    STOP = 3
    STOP_LIMIT = 4
    MARKET_IF_TOUCHED = 5
    LIMIT_IF_TOUCHED = 6
    MARKET_LIMIT = 7


class BuySell(IntEnum):
    """Side of an order or fill."""

    UNSET = 0
    BUY = 1
    SELL = 2


class OpenClose(IntEnum):
    """Whether an order opens or closes; OpenOrClose in 301 and 208, OpenClose in 304."""

    UNSET = 0
    OPEN = 1
    CLOSE = 2


class TimeInForce(IntEnum):
    """How long an order stands."""

    UNSET = 0
    DAY = 1
    GOOD_TILL_CANCELED = 2
    GOOD_TILL_DATE_TIME = 3
    IMMEDIATE_OR_CANCEL = 4
    ALL_OR_NONE = 5
    FILL_OR_KILL = 6


class AtBidOrAsk(IntEnum):
    """Where a trade printed."""

    UNSET = 0
    AT_BID = 1
    AT_ASK = 2


class SecurityType(IntEnum):
    """What a symbol is."""

    UNSET = 0
    FUTURES = 1
    STOCK = 2
    FOREX = 3
    INDEX = 4
    FUTURES_STRATEGY = 5
    STOCK_OPTION = 6
    FUTURES_OPTION = 7
    INDEX_OPTION = 8
    BOND = 9
    MUTUAL_FUND = 10


class FeedStatus(IntEnum):
    """Whether market data can be had."""

    UNSET = 0
    UNAVAILABLE = 1
    AVAILABLE = 2
