"""The questions of a diagnosis after logon: what `connect` asks, one at a time, and what came of each.

Pure: messages and the time go in, requests and `Answers` come out. Invariants:
1. Nothing but requests that `connect` sends: accounts, history, positions, open orders, one definition at a time, one
   subscription.
2. It ends: every question has a time, and the number of accounts and symbols looked at is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from attrs import evolve

from dtcpos.diagnosis.sight import Answers, Definition, Market
from dtcpos.dtc import (
    AlertMessage,
    FeedStatus,
    Heartbeat,
    MarketDataFeedStatus,
    MarketDataReject,
    MarketDataRequest,
    MarketDataSnapshot,
    Message,
    OrderUpdate,
    RequestAction,
    SecurityDefinitionForSymbolRequest,
    SecurityDefinitionReject,
    SecurityDefinitionResponse,
    SecurityDefinitionResponseV2,
    TradeAccountResponse,
    UserMessage,
)
from dtcpos.keeping.history import news_of
from dtcpos.keeping.session import moment_of_clock
from dtcpos.keeping.sync import Ended, Sync, Topic
from dtcpos.model import Fill, ReportedPosition
from dtcpos.translate import instrument_of, traded_price

# A person with more accounts learns from these what is wrong with all of them.
ACCOUNTS_MAX = 5
SYMBOLS_MAX = 3
HISTORY_DAYS = 7
_NOTICES_MAX = 3
# What is left of a heartbeat's way when its interval is over.
_GRACE_S = 1.5
_SYMBOL_ID = 1


class Interview:
    """One conversation with a server that has admitted us.

    `heartbeat_s` is the interval it was asked for, and so how long the first heartbeat may take. `symbols` are looked
    at besides those that are held or were traded lately.
    """

    def __init__(
        self,
        *,
        now: float,
        timeout_s: float,
        heartbeat_s: float,
        has_definitions: bool,
        has_market: bool,
        symbols: Sequence[str] = (),
    ) -> None:
        # Each question is asked twice before it counts as unanswered.
        self._sync = Sync(request_timeout_s=timeout_s / 2)
        self._timeout_s = timeout_s
        self._beat_by = now + heartbeat_s + _GRACE_S
        self._has_definitions, self._has_market = has_definitions, has_market
        self._more_symbols = symbols
        self._ended: list[Ended] = []
        self._disabled: list[str] = []
        self._definitions: list[Definition] = []
        self._undefined: list[str] | None = None
        self._asked_symbol = ""
        self._prices: list[tuple[str, Decimal]] = []
        self._market: Market | None = None
        self._is_subscribed = False
        self._due: float | None = None
        self._request_id = 0
        self._feed_is_down = False
        self._heartbeats = 0
        self._drifts: list[float] = []
        self._notices: list[str] = []
        self._sync.ask_accounts()

    def is_over(self, now: float) -> bool:
        """Return whether everything was asked and answered or given up, and a heartbeat came or is overdue."""
        return self._is_asked_out and (bool(self._heartbeats) or now >= self._beat_by)

    def answers(self, *, lost: str = "") -> Answers:
        """Return what was answered so far; `lost` is why the line ended, if it did."""
        return Answers(
            ended=tuple(self._ended),
            disabled=tuple(self._disabled),
            definitions=tuple(self._definitions),
            prices=tuple(self._prices),
            market=self._market,
            feed_is_down=self._feed_is_down,
            heartbeats=self._heartbeats,
            drifts_s=tuple(self._drifts),
            notices=tuple(self._notices),
            lost=lost,
        )

    def next_request(self, now: float) -> Message | None:
        """Return the next thing to send, None while an answer is awaited or nothing is left to ask."""
        request = self._sync.next_request(now)
        if request is not None or not self._sync.is_idle or self._due is not None:
            return request
        if self._undefined is None:
            self._undefined = self._symbols() if self._has_definitions else []
        if self._undefined:
            self._asked_symbol = self._undefined.pop(0)
            self._request_id += 1
            self._due = now + self._timeout_s
            return SecurityDefinitionForSymbolRequest(RequestID=self._request_id, Symbol=self._asked_symbol)
        if self._has_market and not self._is_subscribed and (symbols := self._symbols()):
            self._is_subscribed = True
            self._asked_symbol = symbols[0]
            self._due = now + self._timeout_s
            return MarketDataRequest(
                RequestAction=RequestAction.SUBSCRIBE, SymbolID=_SYMBOL_ID, Symbol=self._asked_symbol
            )
        return None

    def next_deadline(self) -> float:
        """Return when `tick` has something to do."""
        dues = (self._sync.next_deadline(), self._due)
        return min((due for due in dues if due is not None), default=self._beat_by)

    def tick(self, now: float) -> None:
        """Give up what has not been answered in its time."""
        self._note(self._sync.tick(now), now)
        if self._due is not None and now >= self._due:
            self._due = None
            if self._is_subscribed:
                self._market = Market(symbol=self._asked_symbol, outcome="unanswered")

    def take(self, message: Message, now: float) -> None:
        """Take what the server said."""
        match message:
            case Heartbeat():
                self._heartbeats += 1
                if message.CurrentDateTime:
                    # Whole seconds: the server's time lies anywhere within the one it states.
                    self._drifts.append(message.CurrentDateTime + 0.5 - now)
            case MarketDataFeedStatus():
                self._feed_is_down = message.Status == FeedStatus.UNAVAILABLE
            case UserMessage():
                self._tell(message.UserMessage)
            case AlertMessage():
                self._tell(message.MessageText)
            case SecurityDefinitionResponse() | SecurityDefinitionResponseV2():
                self._define(message)
            case SecurityDefinitionReject():
                self._answered()
            case MarketDataSnapshot() | MarketDataReject():
                self._quote(message)
            case _:
                self._batch(message, now)

    def _batch(self, message: Message, now: float) -> None:
        if isinstance(message, TradeAccountResponse) and message.TradingIsDisabled and message.TradeAccount:
            self._disabled.append(message.TradeAccount)
        if isinstance(message, OrderUpdate) and not message.RequestID:
            return
        self._note(self._sync.receive(message, now=now, received_at=moment_of_clock(now)) or (), now)

    def _note(self, ended: Iterable[Ended], now: float) -> None:
        for each in ended:
            news = news_of(each.history, account=each.account)
            self._ended.append(evolve(each, unusable=(*each.unusable, *news.unusable)))
            if each.topic is Topic.ACCOUNTS:
                since = moment_of_clock(now) - timedelta(days=HISTORY_DAYS)
                for account in each.accounts[:ACCOUNTS_MAX]:
                    self._sync.ask_history(account, since, days=HISTORY_DAYS)
                    self._sync.ask_positions(account)
                    self._sync.ask_orders(account)
            for position in each.reported:
                self._price(position)
            for fill in news.fills[-SYMBOLS_MAX:]:
                self._price(fill)

    def _price(self, stated: Fill | ReportedPosition) -> None:
        price = stated.price if isinstance(stated, Fill) else stated.average_price
        if price is not None:
            self._prices.append((stated.symbol, price))

    def _symbols(self) -> list[str]:
        """Return the symbols to look at: those held first, then those traded lately, then those asked for."""
        symbols = [symbol for symbol, _ in self._prices]
        return list(dict.fromkeys([*symbols, *self._more_symbols]))[:SYMBOLS_MAX]

    def _define(self, message: SecurityDefinitionResponse | SecurityDefinitionResponseV2) -> None:
        if message.RequestID == self._request_id and not self._is_subscribed:
            self._answered()
        told = instrument_of(message)
        if told is not None and told.symbol in self._symbols() and told.tick is not None:
            self._definitions.append(Definition(symbol=told.symbol, multiplier=told.multiplier, tick=told.tick))

    def _quote(self, message: MarketDataSnapshot | MarketDataReject) -> None:
        if message.SymbolID != _SYMBOL_ID or not self._is_subscribed:
            return
        self._answered()
        if isinstance(message, MarketDataReject):
            self._market = Market(symbol=self._asked_symbol, outcome="rejected", text=message.RejectText)
        else:
            price = traded_price(message)
            self._market = Market(symbol=self._asked_symbol, outcome="snapshot", price=price or None)

    def _answered(self) -> None:
        self._due = None

    def _tell(self, text: str) -> None:
        if text and len(self._notices) < _NOTICES_MAX:
            self._notices.append(text)

    @property
    def _is_asked_out(self) -> bool:
        if not self._sync.is_idle or self._due is not None or (self._undefined is None and self._has_definitions):
            return False
        wants_market = self._has_market and not self._is_subscribed and bool(self._symbols())
        return not self._undefined and not wants_market
