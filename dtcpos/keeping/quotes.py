"""Market data and instruments for what is held: subscriptions, last prices, excursions, security definitions.

A trade price is kept in memory and written at most every 100 ms, and with every fill. Bands computed from the
positions let the protocol room drop every tick that can change nothing. Security definitions are asked for one symbol
at a time, because some servers cannot take several quickly.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from dtcpos.booking import defined, mark, quiet_band
from dtcpos.booking.excursions import same_booking, widest
from dtcpos.booking.instruments import SERVER
from dtcpos.dtc import (
    Connection,
    FeedStatus,
    MarketDataFeedStatus,
    MarketDataFeedSymbolStatus,
    MarketDataReject,
    MarketDataRequest,
    Message,
    RequestAction,
    SecurityDefinitionForSymbolRequest,
    SecurityDefinitionReject,
    SecurityDefinitionResponse,
    SecurityDefinitionResponseV2,
    State,
)
from dtcpos.keeping.heat import Heat
from dtcpos.keeping.posting import Posting
from dtcpos.keeping.snapshots import Snapshots
from dtcpos.model import Instrument, Mark, Position, PositionKey
from dtcpos.store import PositionRepository
from dtcpos.translate import decimal_of_float32, instrument_of, moment_of, traded_at, traded_price
from dtcpos.updates import AlertUpdate, FillUpdate, Update

FLUSH_S = 0.1
# A server that serves definitions answers at once; one that does not know the request never does.
_ANSWER_S = 2.0
# A range of its own, so that no answer is taken for one of another conversation.
_FIRST_REQUEST_ID = 500_000


class Quotes:
    """What one session asks and hears about symbols."""

    def __init__(
        self,
        connection: Connection,
        posting: Posting,
        repository: PositionRepository,
        snapshots: Snapshots,
        *,
        market_data: bool,
        always: Collection[str] = (),
    ) -> None:
        self._connection = connection
        self._posting = posting
        self._repository = repository
        self._snapshots = snapshots
        self._wants_trades = market_data
        self._always = frozenset(always)
        self._refused: set[str] = set()
        self.has_definitions = True
        self._ids: dict[str, int] = {}
        self._symbols: dict[int, str] = {}
        self._written: dict[int, int] = {}
        self._undefined: deque[str] = deque()
        self._asked: set[str] = set()
        self._warned: set[str] = set()
        self._warned_at = -1
        self._has_looked = False
        self._looked_at: tuple[object, ...] = ()
        self._asking_until: float | None = None
        self._last_request_id = _FIRST_REQUEST_ID
        self._changed: dict[PositionKey, Position] = {}
        self._flush_at: float | None = None
        self._unset: set[str] = set()
        self._heat = Heat(repository, posting.positions)
        connection.watch_none()

    def next_deadline(self) -> float | None:
        """Return when something of this is due."""
        return min((due for due in (self._flush_at, self._asking_until) if due is not None), default=None)

    @property
    def is_settled(self) -> bool:
        """Whether every definition asked for has come, or is not going to."""
        return not self.has_definitions or (self._asking_until is None and not self._undefined)

    def unknown(self) -> list[Update]:
        """Warn, once a session and symbol, of what is held and has no point value from anywhere."""
        is_ready = self._connection.state is State.READY and self.is_settled
        if self._warned_at == self._posting.openings or not is_ready:
            return []
        self._warned_at = self._posting.openings
        updates: list[Update] = []
        for symbol in sorted({key.symbol for key in self._posting.positions} - self._warned):
            self._warned.add(symbol)
            instrument = self._posting.instruments.get(symbol)
            if instrument is None or instrument.point_value is None:
                text = f"no point value known for {symbol}: points only; `dtcpos instruments set` can say it"
                updates.append(AlertUpdate(kind="instrument", text=text))
        return updates

    def is_due(self, now: float) -> bool:
        """Whether excursions must be written now."""
        return self._flush_at is not None and now >= self._flush_at

    def receive(self, message: Message, now: float, moment: datetime) -> list[Update]:
        """Take a message about a symbol; others are passed over."""
        match message:
            case SecurityDefinitionResponse() | SecurityDefinitionResponseV2():
                self._asking_until = None
                return self._define(message, moment)
            case SecurityDefinitionReject():
                self._asking_until = None
            case MarketDataFeedStatus() if message.Status == FeedStatus.AVAILABLE:
                self._subscribe_again()
            case MarketDataFeedStatus():
                self._snapshots.interrupted(self._ids)
            case MarketDataFeedSymbolStatus() if message.SymbolID in self._symbols:
                symbol = self._symbols[message.SymbolID]
                if message.Status == FeedStatus.AVAILABLE:
                    self._snapshots.resumed(symbol)
                else:
                    self._snapshots.interrupted([symbol])
            case MarketDataReject() if message.SymbolID in self._symbols:
                return self._refuse(self._symbols[message.SymbolID], message.RejectText)
            case _:
                self._trade(message, now, moment)
        return []

    def pump(self, now: float) -> None:
        """Ask what there is to ask: subscriptions of what is held, and one security definition at a time."""
        looked_at = (self._posting.openings, self._connection.state)
        is_asking = self._asking_until is not None or (self._undefined and self.has_definitions)
        if looked_at == self._looked_at and not is_asking:
            # Nothing was opened since: with thousands of symbols held, looking at each with every read counts.
            return
        self._looked_at = looked_at
        symbols = sorted({key.symbol for key in self._posting.positions} | self._always)
        if not self._has_looked:
            # A session that broke off between a fill and its symbol's definition leaves one to ask for, and so does an
            # imported log: what only the shipped table or nobody knows may have a price factor.
            self._has_looked = True
            keys, known = self._repository.keys(), self._posting.instruments
            defined = {symbol for symbol, instrument in known.items() if _is_defined(instrument)}
            undefined = {symbol for _, symbol in keys} - defined - self._asked
            self._undefined.extend(sorted(undefined))
            self._asked |= undefined
        if self._wants_trades and self._connection.state is State.READY:
            self._subscribe(symbols)
        self._undefined.extend(symbol for symbol in symbols if symbol not in self._asked)
        self._asked.update(symbols)
        if self._asking_until is not None:
            if now < self._asking_until:
                return
            self.has_definitions = False
        self._asking_until = None
        if self._undefined and self.has_definitions:
            self._last_request_id += 1
            self._asking_until = now + _ANSWER_S
            request = SecurityDefinitionForSymbolRequest(
                RequestID=self._last_request_id, Symbol=self._undefined.popleft()
            )
            self._connection.send(request)

    def after(self, booked: Mapping[PositionKey, FillUpdate]) -> None:
        """Follow what was just booked, the last fill of each key: new symbols to ask about, new bands."""
        for key, update in booked.items():
            self._changed.pop(key, None)
            if update.position is not None and update.fill.price is not None:
                price = update.fill.price * _multiplier(self._posting.instruments, key.symbol)
                self._heat.note(key, update.position, price, update.fill.time)
            if key.symbol not in self._asked:
                self._asked.add(key.symbol)
                self._undefined.append(key.symbol)
        if booked:
            self._heat.write()
            for key in booked:
                self.expect(key.symbol)

    def expect(self, symbol: str) -> None:
        """Look at the next trade of a symbol whatever its price: what is held has changed, or is about to.

        That trade sets the band, so that a fill need not wait for it.
        """
        if symbol not in self._unset and (symbol_id := self._ids.get(symbol)) is not None:
            self._connection.watch(symbol_id, math.inf, -math.inf)
            self._unset.add(symbol)

    def forget(self) -> None:
        """Another process has written: keep what ticks taught only of the positions that it left as they were."""
        held = self._posting.positions
        self._changed = {
            key: widest(learned, held[key])
            for key, learned in self._changed.items()
            if key in held and same_booking(learned, held[key])
        }
        self._heat = Heat(self._repository, self._posting.positions)
        self._watch()

    def write_extremes(self) -> None:
        """Write the excursions that have grown."""
        self._flush_at = None
        if self._changed:
            self._posting.widen(self._changed.values())
            self._changed.clear()
        self._heat.write()

    def flush(self, moment: datetime) -> None:
        """Write the excursions that have grown and the last prices."""
        self.write_extremes()
        marks = self._marks(moment)
        if marks:
            self._repository.put_marks(marks, now=moment)

    def _define(
        self, message: SecurityDefinitionResponse | SecurityDefinitionResponseV2, moment: datetime
    ) -> list[Update]:
        told = instrument_of(message)
        if told is None:
            return []
        told = defined(told, self._posting.instruments.get(told.symbol))
        updates = self._posting.put_instrument(told, now=moment)
        self._watch((told.symbol,))
        return updates

    def _subscribe(self, symbols: Iterable[str]) -> None:
        new: list[str] = []
        for symbol in symbols:
            if symbol in self._ids or symbol in self._refused:
                continue
            # Small numbers: ids above 2^31 come back clamped in JSON from at least one server.
            symbol_id = len(self._symbols) + 1
            self._ids[symbol], self._symbols[symbol_id] = symbol_id, symbol
            self._snapshots.subscribed(symbol, symbol_id)
            self._connection.send(
                MarketDataRequest(RequestAction=RequestAction.SUBSCRIBE, SymbolID=symbol_id, Symbol=symbol)
            )
            new.append(symbol)
        if new:
            self._watch(new)

    def _refuse(self, symbol: str, reason: str) -> list[Update]:
        # Asked again it would be refused again, until the feed has changed; its id stays taken.
        self._ids.pop(symbol, None)
        self._refused.add(symbol)
        self._snapshots.interrupted([symbol])
        words = f": {reason}" if reason else ""
        return [AlertUpdate(kind="market_data", text=f"the server gives no market data for {symbol}{words}")]

    def _subscribe_again(self) -> None:
        symbols = [*self._ids, *sorted(self._refused)]
        self._ids.clear()
        self._refused.clear()
        self._subscribe(symbols)

    def _watch(self, traded: Collection[str] | None = None) -> None:
        """Set, per symbol, the band of wire prices inside which no position held has anything to learn.

        With `traded` only of these symbols: of the others nothing has changed.
        """
        self._unset -= self._ids.keys() if traded is None else set(traded)
        ids = self._ids if traded is None else {symbol: self._ids[symbol] for symbol in traded if symbol in self._ids}
        bands: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for key, position in self._posting.positions.items() if ids else ():
            if key.symbol in ids:
                bands[key.symbol].append(quiet_band(self._changed.get(key, position)))
                bands[key.symbol].append(self._heat.band(key, position))
        for symbol, symbol_id in ids.items():
            low = max((band[0] for band in bands[symbol]), default=float("-inf"))
            high = min((band[1] for band in bands[symbol]), default=float("inf"))
            factor = float(_multiplier(self._posting.instruments, symbol))
            if factor != 1:
                # A division may land one step outside; one step inside costs a look and loses nothing.
                low, high = math.nextafter(low / factor, math.inf), math.nextafter(high / factor, -math.inf)
            self._connection.watch(symbol_id, low, high)

    def _trade(self, message: Message, now: float, moment: datetime) -> None:
        symbol = self._symbols.get(getattr(message, "SymbolID", 0))
        price = traded_price(message)
        if symbol is None or price is None:
            return
        price *= _multiplier(self._posting.instruments, symbol)
        traded = traded_at(message)
        learned = False
        for key, position in self._posting.positions.items():
            if key.symbol != symbol or _is_older(traded, position):
                continue
            before = self._changed.get(key, position)
            after = mark(before, price)
            if after is not before:
                self._changed[key] = after
                learned = True
            learned |= self._heat.note(key, after, price, traded[0] if traded else moment)
        if learned or symbol in self._unset:
            self._watch((symbol,))
        if learned and self._flush_at is None:
            self._flush_at = now + FLUSH_S

    def _marks(self, moment: datetime) -> Sequence[Mark]:
        marks = []
        for symbol_id, tick in self._connection.last_tick.items():
            symbol = self._symbols.get(symbol_id)
            if symbol is None or tick.price is None or self._written.get(symbol_id) == tick.count:
                continue
            self._written[symbol_id] = tick.count
            price = decimal_of_float32(tick.price)
            traded = moment_of(tick.time) if tick.time else None
            if price is not None:
                price *= _multiplier(self._posting.instruments, symbol)
                marks.append(Mark(symbol=symbol, price=price, time=traded[0] if traded else moment))
        return marks


def _is_defined(instrument: Instrument) -> bool:
    return instrument.tick is not None or SERVER in (instrument.point_value_source, instrument.multiplier_source)


def _multiplier(instruments: Mapping[str, Instrument], symbol: str) -> Decimal:
    instrument = instruments.get(symbol)
    return Decimal(1) if instrument is None else instrument.multiplier


def _is_older(traded: tuple[datetime, bool] | None, position: Position) -> bool:
    """Whether a trade happened before the position was entered, as far as both times can tell."""
    if traded is None or position.entry_time is None:
        return False
    moment, is_exact = traded
    entered = position.entry_time if is_exact else position.entry_time.replace(microsecond=0)
    return moment < entered
