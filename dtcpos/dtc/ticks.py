"""Trade ticks that change nothing are taken out of the stream without an object being made.

A tick matters when it moves an extreme of a position or is the first since the position opened. Whoever knows that
sets a band per symbol; inside it a tick only overwrites the symbol's `LastTick`. Measured: ten times as many ticks a
second go through this loop as when each becomes a message (3.0 against 0.3 million).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from dtcpos.dtc.binary import Buffer
from dtcpos.dtc.framing import HEADER
from dtcpos.dtc.message import Message
from dtcpos.dtc.messages import MESSAGE_TYPES

# Trade types with the names of their price and time. The oldest, without a time, is told by the time 0.
_PRICE_AND_TIME = {
    107: ("Price", "DateTime"),
    112: ("Price", "DateTime"),
    134: ("LastTradePrice", "LastTradeDateTime"),
    137: ("Price", "DateTime"),
    142: ("Price", ""),
    146: ("Price", "DateTime"),
    147: ("Price", "DateTime"),
}
TRADE_TYPES = frozenset(_PRICE_AND_TIME)

# Quotes, depth and session figures: never an extreme, so a caller may drop them unread.
QUOTE_TYPES = frozenset({108, 117, 143, 144, 148})
DEPTH_TYPES = frozenset({106, 109, 122, 140, 141, 145, 152, 153, 154, 155})

Reader = tuple[int, Callable[[Buffer, int], tuple[Any, ...]], int, int, int]


class LastTick:
    """The last trade of a watched symbol and the band inside which trades need no event.

    `time` is as on the wire: seconds, milliseconds or microseconds by magnitude, 0 where unknown. `count` counts
    every trade seen since the watch began. A band with `low` above `high` lets every trade through.
    """

    __slots__ = ("count", "high", "low", "price", "time")

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = high
        self.price: float | None = None
        self.time: float = 0
        self.count = 0


def _reader(type_: int) -> Reader:
    """Return how much of a message is needed, how to read it, and the places of symbol, price and time therein."""
    kind = MESSAGE_TYPES[type_]
    price, time = _PRICE_AND_TIME[type_]
    wanted = [kind.field_by_name[name] for name in ("SymbolID", price, time) if name]
    wanted.sort(key=lambda field: field.at or 0)
    parts, position = ["<"], 0
    for field in wanted:
        assert field.at is not None
        parts.append(f"{field.at - position}x{field.code}")
        position = field.at + field.width
    order = [field.name for field in wanted]
    place = order.index(time) if time else -1
    return position, struct.Struct("".join(parts)).unpack_from, order.index("SymbolID"), order.index(price), place


_READERS: dict[int, Reader] = {type_: _reader(type_) for type_ in TRADE_TYPES}


class TickFilter:
    """The bands of one connection; not in force until the first `watch` or `watch_none`."""

    __slots__ = ("dropped", "is_active", "watched")

    def __init__(self) -> None:
        self.is_active = False
        self.watched: dict[int, LastTick] = {}
        self.dropped = 0

    def watch(self, symbol_id: int, low: float, high: float) -> None:
        """Take trades of the symbol within `low` and `high`, both included, out of the stream."""
        self.is_active = True
        tick = self.watched.get(symbol_id)
        if tick is None:
            self.watched[symbol_id] = LastTick(low, high)
        else:
            tick.low, tick.high = low, high

    def absorb(self, buffer: Buffer, position: int) -> int:
        """Take whole trade ticks off the front of a binary stream and return where the first other frame begins.

        A tick whose price is not a number is inside no band, so it stays.
        """
        header_of, readers, watched, end = HEADER.unpack_from, _READERS, self.watched, len(buffer) - 4
        while position <= end:
            size, type_ = header_of(buffer, position)
            reader = readers.get(type_)
            if reader is None:
                break
            needed, read, id_place, price_place, time_place = reader
            if size < needed or position + size > end + 4:
                break
            values = read(buffer, position)
            tick = watched.get(values[id_place])
            if tick is None:
                self.dropped += 1
            else:
                price = values[price_place]
                if not tick.low <= price <= tick.high:
                    break
                tick.price = price
                tick.time = values[time_place] if time_place >= 0 else 0
                tick.count += 1
            position += size
        return position

    def passes(self, message: Message) -> bool | None:
        """Say whether a decoded trade becomes an event; None where its price is not a number.

        The trade is remembered as the symbol's last either way, unless its price is not a number.
        """
        price_name, time_name = _PRICE_AND_TIME[message.type]
        tick = self.watched.get(message.SymbolID)  # type: ignore[attr-defined]
        if tick is None:
            self.dropped += 1
            return False
        price: float = getattr(message, price_name)
        if price - price != 0:
            return None
        tick.price = price
        tick.time = getattr(message, time_name) if time_name else 0
        tick.count += 1
        return not tick.low <= price <= tick.high
