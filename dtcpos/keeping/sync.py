"""The conversation after logon: what is asked, in which order, and how each answer ended.

Accounts first (400), then for each account its historical fills (303), its positions (305) and its open orders (300),
one request at a time because some servers cannot take several quickly. Pure: messages and the time go in, requests and
outcomes come out.

Invariants:
1. Every request ends exactly once in an `Ended`, whatever the server does: complete, rejected, unanswered or cut.
2. Only a whole batch hands out its contents (but for names of accounts); half a batch is asked for once more and
   then given up.
3. No answer is never the same as an empty answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import Any

from attrs import define, field, frozen

from dtcpos.dtc import (
    Closed,
    CurrentPositionsReject,
    CurrentPositionsRequest,
    HistoricalOrderFillResponse,
    HistoricalOrderFillsReject,
    HistoricalOrderFillsRequest,
    HistoryPart,
    HistoryRun,
    Message,
    OpenOrdersReject,
    OpenOrdersRequest,
    OrderUpdate,
    PositionUpdate,
    Skipped,
    TradeAccountResponse,
    TradeAccountsRequest,
    raw_reader,
)
from dtcpos.keeping.numbering import Numbers
from dtcpos.model import ReportedPosition, WorkingOrder
from dtcpos.translate import TEXT_LENGTH_MAX, Unusable, order_of, reported_of

Event = Message | HistoryRun | Skipped | Closed

_ASKED_AT_MOST = 2
_MESSAGES_MAX = 2_000_000


class Topic(StrEnum):
    """What a request asks for."""

    ACCOUNTS = "accounts"
    HISTORY = "history"
    POSITIONS = "positions"
    ORDERS = "open orders"


class Outcome(StrEnum):
    """How a request ended."""

    COMPLETE = "complete"
    REJECTED = "rejected"
    UNANSWERED = "unanswered"
    CUT = "cut"


@frozen(kw_only=True)
class Ended:
    """A request has ended; the contents are there only if it is complete."""

    topic: Topic
    account: str
    outcome: Outcome
    text: str = ""
    accounts: tuple[str, ...] = ()
    history: tuple[HistoryPart, ...] = ()
    reported: tuple[ReportedPosition, ...] = ()
    orders: tuple[WorkingOrder, ...] = ()
    unusable: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The outcome for people: `complete`, `positions rejected: ...`."""
        if self.outcome is Outcome.COMPLETE:
            return str(self.outcome)
        return f"{self.topic} {self.outcome}" + (f": {self.text}" if self.text else "")


# Two requests with the same words are two requests.
@define(eq=False)
class _Request:
    topic: Topic
    account: str
    start: datetime | None = None
    days: int = 0
    request_id: int = 0
    echoed_id: int = 0
    asked: int = 0
    deadline: float = 0.0
    total: int = 0
    numbers: Numbers = field(factory=Numbers)
    contents: list[Any] = field(factory=list)
    unusable: list[str] = field(factory=list)
    # Messages whose contents were kept, or counted as unusable; runs have many.
    kept: int = 0

    def forget(self) -> None:
        """Drop what was collected: the answer begins anew."""
        for collected in (self.numbers, self.contents, self.unusable):
            collected.clear()
        self.kept = 0


_place_in_history = raw_reader(
    HistoricalOrderFillResponse, "RequestID", "TotalNumberMessages", "MessageNumber", "NoOrderFills"
)
# The total goes by two names on the wire.
_TOTAL: dict[type[Message], Callable[[Any], int]] = {
    TradeAccountResponse: lambda message: message.TotalNumberMessages,
    HistoricalOrderFillResponse: lambda message: message.TotalNumberMessages,
    PositionUpdate: lambda message: message.TotalNumberMessages,
    OrderUpdate: lambda message: message.TotalNumMessages,
}
_EMPTY: dict[type[Message], Callable[[Any], bool]] = {
    TradeAccountResponse: lambda message: not message.TradeAccount,
    HistoricalOrderFillResponse: lambda message: bool(message.NoOrderFills),
    PositionUpdate: lambda message: bool(message.NoPositions),
    OrderUpdate: lambda message: bool(message.NoOrders),
}
_TOPIC: dict[type[Message], Topic] = {
    TradeAccountResponse: Topic.ACCOUNTS,
    HistoricalOrderFillResponse: Topic.HISTORY,
    HistoricalOrderFillsReject: Topic.HISTORY,
    PositionUpdate: Topic.POSITIONS,
    CurrentPositionsReject: Topic.POSITIONS,
    OrderUpdate: Topic.ORDERS,
    OpenOrdersReject: Topic.ORDERS,
}
_REJECTS = (HistoricalOrderFillsReject, CurrentPositionsReject, OpenOrdersReject)


def _place_of(part: HistoryPart) -> tuple[int, int, int, int]:
    """Return of which request a part of a history is, of how many messages, its first number and how many follow it."""
    if isinstance(part, HistoryRun):
        return part.request_id, part.total, part.number, len(part)
    request_id, total, number, is_empty = _place_in_history(part)
    return request_id, total, number, 0 if is_empty else 1


class Sync:
    """One session's questions: a queue of requests, the one that is out, and the batch it is collecting."""

    def __init__(self, *, request_timeout_s: float) -> None:
        self._timeout_s = request_timeout_s
        self._waiting: deque[_Request] = deque()
        self._current: _Request | None = None
        self._answered: dict[tuple[Topic, int], _Request] = {}
        self._issued: set[tuple[Topic, int]] = set()
        self._last_id = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is asked and nothing waits to be."""
        return self._current is None and not self._waiting

    def ask_accounts(self) -> None:
        """Queue the request for the list of accounts."""
        self._waiting.append(_Request(Topic.ACCOUNTS, ""))

    def ask_history(self, account: str, start: datetime, *, days: int = 0) -> None:
        """Queue the request for an account's fills since `start`, which is `days` ago, rounded up."""
        self._waiting.append(_Request(Topic.HISTORY, account, start, days))

    def ask_positions(self, account: str) -> None:
        """Queue the request for an account's positions."""
        self._waiting.append(_Request(Topic.POSITIONS, account))

    def ask_orders(self, account: str) -> None:
        """Queue the request for an account's open orders."""
        self._waiting.append(_Request(Topic.ORDERS, account))

    def next_request(self, now: float) -> Message | None:
        """Return the next message to send, None while an answer is awaited or nothing is left to ask."""
        if self._current is None:
            if not self._waiting:
                return None
            self._current = self._waiting.popleft()
        elif self._current.asked and self._current.deadline:
            return None
        request = self._current
        self._last_id += 1
        request.request_id = self._last_id
        self._issued.add((request.topic, request.request_id))
        request.asked += 1
        request.deadline = now + self._timeout_s
        request.total = 0
        request.forget()
        return _message_of(request)

    def next_deadline(self) -> float | None:
        """Return when the request that is out counts as unanswered."""
        return self._current.deadline if self._current is not None and self._current.deadline else None

    def tick(self, now: float) -> list[Ended]:
        """Give up on the request that is out if its time has passed; it is asked once more before it ends."""
        request = self._current
        if request is None or not request.deadline or now < request.deadline:
            return []
        return self._failed(request, Outcome.CUT if request.numbers else Outcome.UNANSWERED)

    def gather(self, event: Event, further: Iterator[Event], *, now: float) -> Event | None:
        """Take what is next of the history that is coming in, but for its last message; return the first other event.

        The short way of `receive` for what a history mostly consists of: a run takes no longer than a message. None is
        returned where nothing further has come.
        """
        request = self._current
        if request is None or request.topic is not Topic.HISTORY:
            return event
        other: Event | None = event
        while isinstance(other, HistoryRun | HistoricalOrderFillResponse):
            request_id, total, number, count = _place_of(other)
            if request_id != request.request_id or not request.numbers.follows(number):
                break
            # The last message ends the request, and beyond the bound it is given up: `receive` does both.
            count = min(count, total - number, _MESSAGES_MAX - request.kept)
            if count <= 0:
                break
            taken, rest = other.split(count) if isinstance(other, HistoryRun) else (other, None)
            request.contents.append(taken)
            request.kept += count
            request.numbers.extend(count)
            request.total = max(total, request.total)
            request.deadline = now + self._timeout_s
            other = next(further, None) if rest is None else rest
        return other

    def receive(self, message: Message, *, now: float, received_at: datetime) -> list[Ended] | None:
        """Take a message if it answers a request; None if it is none of ours (unsolicited, or live)."""
        topic = _TOPIC.get(type(message))
        request_id = getattr(message, "RequestID", 0)
        if topic is None or not request_id or (type(message) is PositionUpdate and message.Unsolicited):
            return None
        request = self._answered_by(topic, request_id, getattr(message, "TradeAccount", ""))
        if request is None:
            # An answer to a request that was given up, or to nobody: it must not pass for something live.
            return []
        request.echoed_id = request_id
        if isinstance(message, _REJECTS):
            return self._rejected(request, message.RejectText)
        request.deadline = now + self._timeout_s if request is self._current else 0.0
        return self._collect(request, message, received_at)

    def _answered_by(self, topic: Topic, request_id: int, account: str) -> _Request | None:
        """Return the request an answer belongs to: by its id, or by its subject if the id was never one of ours.

        Some servers echo an id of their own, or tell what is due after a logon before they are asked.
        """
        current = self._current
        if current is not None and current.topic is topic and current.request_id == request_id:
            return current
        answered = self._answered.get((topic, request_id))
        if answered is not None or (topic, request_id) in self._issued:
            return answered
        open_ones = chain(() if current is None else (current,), self._waiting)
        fitting = (request for request in open_ones if request.topic is topic and account in ("", request.account))
        if topic is Topic.ACCOUNTS:
            fitting = (request for request in open_ones if request.topic is topic)
        return next(fitting, None)

    def _collect(self, request: _Request, message: Message, received_at: datetime) -> list[Ended]:
        number, total = message.MessageNumber, _TOTAL[type(message)](message)  # type: ignore[attr-defined]
        if request is not self._current and number <= 1:
            # Some servers answer for every account, one whole batch each, under the one id.
            request.forget()
        if total and number in request.numbers:
            # Told twice: once is enough.
            return []
        if request.kept >= _MESSAGES_MAX:
            # Nobody has so many, so there is no end to come; what is kept until it comes is memory.
            return self._failed(request, Outcome.CUT) if request is self._current else []
        if not _EMPTY[type(message)](message):
            _keep(request, message, received_at)
        elif number <= 1 and total <= 1:
            return self._complete(request)
        if number in request.numbers:
            return []
        request.numbers.add(number)
        request.total = max(total, request.total)
        if number < request.total or not request.total:
            return []
        if len(request.numbers) == request.total:
            return self._complete(request)
        return self._failed(request, Outcome.CUT) if request is self._current else []

    def _complete(self, request: _Request) -> list[Ended]:
        contents = tuple(request.contents)
        ended = Ended(
            topic=request.topic,
            account=request.account,
            outcome=Outcome.COMPLETE,
            accounts=contents if request.topic is Topic.ACCOUNTS else (),
            history=contents if request.topic is Topic.HISTORY else (),
            reported=contents if request.topic is Topic.POSITIONS else (),
            orders=contents if request.topic is Topic.ORDERS else (),
            unusable=tuple(request.unusable),
        )
        self._answered[request.topic, request.echoed_id] = request
        self._retire(request)
        return [ended]

    def _rejected(self, request: _Request, text: str) -> list[Ended]:
        if request is not self._current:
            return []
        self._retire(request)
        return [Ended(topic=request.topic, account=request.account, outcome=Outcome.REJECTED, text=text)]

    def _failed(self, request: _Request, outcome: Outcome) -> list[Ended]:
        if request.asked < _ASKED_AT_MOST:
            request.deadline = 0.0
            return []
        self._retire(request)
        got = f"{len(request.numbers)} of {request.total} messages" if outcome is Outcome.CUT else ""
        # Knowing of an account claims nothing about what it holds, so half a list of names is still of use.
        heard = tuple(request.contents) if request.topic is Topic.ACCOUNTS else ()
        return [Ended(topic=request.topic, account=request.account, outcome=outcome, text=got, accounts=heard)]

    def _retire(self, request: _Request) -> None:
        if request is self._current:
            self._current = None
        elif request in self._waiting:
            self._waiting.remove(request)


def _keep(request: _Request, message: Message, received_at: datetime) -> None:
    kept: object
    if isinstance(message, TradeAccountResponse):
        kept = message.TradeAccount
        if len(kept) > TEXT_LENGTH_MAX:
            kept = Unusable("a text too long to be the name of an account")
    elif isinstance(message, HistoricalOrderFillResponse):
        kept = message
    elif isinstance(message, PositionUpdate):
        kept = reported_of(message, account=request.account)
    else:
        assert isinstance(message, OrderUpdate), message
        kept = order_of(message, received_at=received_at)
    if isinstance(kept, Unusable):
        request.unusable.append(kept.reason)
    elif kept is not None:
        request.contents.append(kept)
    request.kept += kept is not None


def _message_of(request: _Request) -> Message:
    request_id = request.request_id
    if request.topic is Topic.ACCOUNTS:
        return TradeAccountsRequest(RequestID=request_id)
    if request.topic is Topic.HISTORY:
        assert request.start is not None
        # The documentation gives the start precedence; a server that reads only the days gets them too.
        return HistoricalOrderFillsRequest(
            RequestID=request_id,
            TradeAccount=request.account,
            StartDateTime=int(request.start.timestamp()),
            NumberOfDays=request.days,
        )
    if request.topic is Topic.POSITIONS:
        return CurrentPositionsRequest(RequestID=request_id, TradeAccount=request.account)
    return OpenOrdersRequest(RequestID=request_id, TradeAccount=request.account)


def by_symbol(reported: Iterable[ReportedPosition], account: str) -> list[ReportedPosition]:
    """Return one statement per symbol of an account, adding up where a server keeps several positions in one."""
    stated: dict[str, ReportedPosition] = {}
    for report in reported:
        if report.account != account:
            continue
        before = stated.get(report.symbol)
        stated[report.symbol] = report if before is None else _added(before, report)
    return list(stated.values())


def _added(left: ReportedPosition, right: ReportedPosition) -> ReportedPosition:
    if not left.signed_quantity or not right.signed_quantity:
        return right if right.signed_quantity else left
    # Several averages have no common one that a single position could be compared with.
    return ReportedPosition(
        account=left.account,
        symbol=left.symbol,
        signed_quantity=left.signed_quantity + right.signed_quantity,
        average_price=None,
    )
