"""The conversation after logon: every request ends once, and only a whole batch counts."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.dtc import (
    CurrentPositionsReject,
    CurrentPositionsRequest,
    Heartbeat,
    HistoricalOrderFillResponse,
    HistoricalOrderFillsReject,
    HistoricalOrderFillsRequest,
    Message,
    OpenOrdersReject,
    OrderUpdate,
    PositionUpdate,
    TradeAccountResponse,
    TradeAccountsRequest,
)
from dtcpos.keeping.sync import Ended, Outcome, Sync, Topic, by_symbol

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


def hear(sync: Sync, message: Message, now: float = 0.0) -> list[Ended] | None:
    return sync.receive(message, now=now, received_at=NOW)


def held(request_id: int, number: int, total: int, **fields: object) -> PositionUpdate:
    facts = {"Symbol": "MESZ26-CME", "TradeAccount": "Sim1", "Quantity": 1.0, "AveragePrice": 5000.0} | fields
    return PositionUpdate(RequestID=request_id, MessageNumber=number, TotalNumberMessages=total, **facts)


def asked(sync: Sync, now: float = 0.0) -> Message:
    request = sync.next_request(now)
    assert request is not None
    assert sync.next_request(now) is None, "one question at a time"
    return request


def test_questions_go_out_one_at_a_time_each_with_its_own_id() -> None:
    """N3: accounts, history with account and start, positions; the next only when the last has ended."""
    sync = Sync(request_timeout_s=10)
    sync.ask_accounts()
    sync.ask_history("Sim1", NOW)
    first = asked(sync)
    assert isinstance(first, TradeAccountsRequest)
    told = TradeAccountResponse(RequestID=first.RequestID, MessageNumber=1, TotalNumberMessages=1, TradeAccount="Sim1")
    ended = hear(sync, told)
    assert ended is not None
    assert ended[0].accounts == ("Sim1",)
    second = asked(sync)
    assert isinstance(second, HistoricalOrderFillsRequest)
    assert (second.TradeAccount, second.StartDateTime) == ("Sim1", int(NOW.timestamp()))
    assert second.RequestID != first.RequestID


def test_a_batch_is_whole_when_its_last_number_has_come() -> None:
    """N11: nothing is handed out before."""
    sync = Sync(request_timeout_s=10)
    sync.ask_positions("Sim1")
    request = asked(sync)
    assert isinstance(request, CurrentPositionsRequest)
    assert hear(sync, held(request.RequestID, 1, 2)) == []
    ended = hear(sync, held(request.RequestID, 2, 2, Symbol="MNQZ26-CME"))
    assert ended is not None
    assert [report.symbol for report in ended[0].reported] == ["MESZ26-CME", "MNQZ26-CME"]
    assert sync.is_idle


@pytest.mark.parametrize("lost", [1, 2])
def test_a_cut_batch_is_asked_for_once_more_and_then_given_up(lost: int) -> None:
    """N11: half a snapshot is no snapshot."""
    sync = Sync(request_timeout_s=10)
    sync.ask_positions("Sim1")
    for attempt in range(2):
        request = asked(sync, attempt * 20.0)
        assert isinstance(request, CurrentPositionsRequest)
        for number in {1, 2, 3} - {lost}:
            ended = hear(sync, held(request.RequestID, number, 3), attempt * 20.0) or []
    assert [(each.outcome, each.reported) for each in ended] == [(Outcome.CUT, ())]


def test_silence_is_asked_once_more_and_then_remembered_as_silence() -> None:
    """N11: no answer is never an empty answer."""
    sync = Sync(request_timeout_s=10)
    sync.ask_history("Sim1", NOW)
    asked(sync, 0.0)
    assert sync.next_deadline() == 10.0
    assert sync.tick(9.9) == []
    assert sync.tick(10.0) == []
    asked(sync, 10.0)
    assert [each.outcome for each in sync.tick(20.0)] == [Outcome.UNANSWERED]
    assert sync.is_idle


@pytest.mark.parametrize(
    ("topic", "reject"),
    [
        (Topic.HISTORY, HistoricalOrderFillsReject),
        (Topic.POSITIONS, CurrentPositionsReject),
        (Topic.ORDERS, OpenOrdersReject),
    ],
)
def test_a_reject_ends_the_request_with_its_text(topic: Topic, reject: type[Message]) -> None:
    """N11: 302, 307 and 308 are errors, never `none`."""
    sync = Sync(request_timeout_s=10)
    {
        Topic.HISTORY: lambda: sync.ask_history("Sim1", NOW),
        Topic.POSITIONS: lambda: sync.ask_positions("Sim1"),
        Topic.ORDERS: lambda: sync.ask_orders("Sim1"),
    }[topic]()
    request_id = asked(sync).RequestID  # type: ignore[attr-defined]
    ended = hear(sync, reject(RequestID=request_id, RejectText="not today"))
    assert ended is not None
    assert (ended[0].topic, ended[0].outcome, ended[0].text) == (topic, Outcome.REJECTED, "not today")
    assert ended[0].words == f"{topic} rejected: not today"


def test_an_empty_answer_is_whole_and_empty() -> None:
    """N11: NoPositions=1 says so in so many words."""
    sync = Sync(request_timeout_s=10)
    sync.ask_positions("Sim1")
    request_id = asked(sync).RequestID  # type: ignore[attr-defined]
    ended = hear(sync, held(request_id, 1, 1, NoPositions=1, Symbol="", Quantity=0.0))
    assert ended is not None
    assert (ended[0].outcome, ended[0].reported) == (Outcome.COMPLETE, ())


def test_live_messages_are_none_of_its_business() -> None:
    """N12: what was not asked for is not an answer, and a late answer to a dead question is not live."""
    sync = Sync(request_timeout_s=10)
    sync.ask_positions("Sim1")
    request_id = asked(sync).RequestID  # type: ignore[attr-defined]
    assert hear(sync, held(0, 1, 1)) is None
    assert hear(sync, held(request_id, 1, 1, Unsolicited=1)) is None
    assert hear(sync, OrderUpdate(RequestID=0, ServerOrderID="1")) is None
    for now in (10.0, 20.0):
        sync.tick(now)
        sync.next_request(now)
    assert sync.is_idle
    assert hear(sync, held(request_id, 1, 1)) == []
    assert hear(sync, held(request_id + 900, 1, 1)) == []


def test_an_answer_under_an_id_of_the_servers_own_is_an_answer() -> None:
    """N3: what was never asked under that id is taken by its subject; what we gave up on is not."""
    sync = Sync(request_timeout_s=10)
    sync.ask_positions("Sim1")
    sync.ask_positions("120005")
    asked(sync)
    ended = hear(sync, held(900, 1, 1))
    assert ended is not None
    assert [each.account for each in ended] == ["Sim1"]
    ended = hear(sync, held(901, 1, 1, TradeAccount="120005"))
    assert ended is not None
    assert [each.account for each in ended] == ["120005"]
    assert sync.is_idle


def test_a_server_that_answers_for_every_account_is_heard_to_the_end() -> None:
    """N3: one whole batch per account under one id."""
    sync = Sync(request_timeout_s=10)
    sync.ask_history("Sim1", NOW)
    request_id = asked(sync).RequestID  # type: ignore[attr-defined]
    told = [
        HistoricalOrderFillResponse(
            RequestID=request_id,
            MessageNumber=1,
            TotalNumberMessages=1,
            TradeAccount=account,
            Symbol="MESZ26-CME",
            BuySell=1,
            Price=5000.0,
            Quantity=1.0,
            DateTime=1795185031,
            UniqueExecutionID=f"E-{account}",
        )
        for account in ("Sim1", "120005")
    ]
    batches = [hear(sync, message) for message in told]
    assert [[told.TradeAccount for told in batch[0].history] for batch in batches if batch] == [["Sim1"], ["120005"]]


def test_what_cannot_be_meant_is_counted_and_the_batch_stays_whole() -> None:
    """S5: one broken message does not make a snapshot of the others."""
    sync = Sync(request_timeout_s=10)
    sync.ask_positions("Sim1")
    request_id = asked(sync).RequestID  # type: ignore[attr-defined]
    hear(sync, held(request_id, 1, 2, Quantity=float("nan")))
    ended = hear(sync, held(request_id, 2, 2))
    assert ended is not None
    assert (len(ended[0].reported), len(ended[0].unusable)) == (1, 1)


def test_several_positions_in_a_symbol_add_up() -> None:
    """N12: a server may keep more than one; the account holds their sum."""
    sync = Sync(request_timeout_s=10)
    sync.ask_positions("H1")
    request_id = asked(sync).RequestID  # type: ignore[attr-defined]
    hear(sync, held(request_id, 1, 2, TradeAccount="H1", Quantity=5.0, PositionIdentifier="POS-1"))
    ended = hear(sync, held(request_id, 2, 2, TradeAccount="H1", Quantity=-2.0, PositionIdentifier="POS-2"))
    assert ended is not None
    (report,) = by_symbol(ended[0].reported, "H1")
    assert (report.signed_quantity, report.average_price) == (3, None)


def past(number: int, *, total: int = 12) -> HistoricalOrderFillResponse:
    return HistoricalOrderFillResponse(RequestID=1, TotalNumberMessages=total, MessageNumber=number, Symbol="MES")


def hear_all(sync: Sync, messages: Iterable[Message], now: float) -> list[int]:
    """Let messages of one read come as a session takes them; the numbers of the history that ended."""
    told: list[int] = []
    coming = iter(messages)
    message: object = next(coming, None)
    while message is not None:
        other = sync.gather(message, coming, now=now)  # type: ignore[arg-type]
        if other is message:
            for ended in hear(sync, message, now) or ():  # type: ignore[arg-type]
                told += [kept.MessageNumber for kept in ended.history]
            other = next(coming, None)
        message = other
    return told


@settings(max_examples=200)
@given(st.permutations(range(1, 12)), st.lists(st.integers(1, 11)), st.integers(0, 11), st.randoms())
def test_a_history_in_any_order_with_any_of_it_twice_is_told_once(
    order: list[int], twice: list[int], sorted_to: int, chance: random.Random
) -> None:
    """N5, N10: also what comes early and again in its place; without ids a second telling would be a second fill."""
    numbers = sorted(order[:sorted_to]) + order[sorted_to:]
    for number in twice:
        numbers.insert(chance.randint(0, len(numbers)), number)
    sync = Sync(request_timeout_s=10)
    sync.ask_history("Sim1", NOW)
    asked(sync)
    told: list[int] = []
    messages = [past(number) for number in [*numbers, 12]]
    while messages:
        size = chance.randint(1, len(messages))
        told += hear_all(sync, messages[:size], 0)
        messages = messages[size:]
    assert sorted(told) == list(range(1, 13))


def test_a_history_that_stops_is_given_up_whatever_else_is_said() -> None:
    """N11: prices and heartbeats that go on are no answer; the question is asked again in its time."""
    sync = Sync(request_timeout_s=10)
    sync.ask_history("Sim1", NOW)
    asked(sync)
    hear_all(sync, [past(1), past(2), past(3)], 1)
    hear_all(sync, [Heartbeat()], 9)
    assert sync.next_deadline() == 11
    sync.tick(11)
    assert isinstance(sync.next_request(11), HistoricalOrderFillsRequest)
