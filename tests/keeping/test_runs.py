"""A history told in runs is the history told message by message: answers, digests, ledger, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from struct import Struct
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.dtc import Connection, Encoding, HistoricalOrderFillResponse, HistoryRun, Message, OrderUpdate, encode
from dtcpos.dtc.framing import HEADER
from dtcpos.keeping.history import news_of
from dtcpos.keeping.sync import Ended, Sync
from dtcpos.store import PositionRepository
from tests.outcome import outcome_of, prove
from tests.pair import Pair, bytewise, frame_ends
from tests.telling import NOON, answers, cuts, frame_of, in_runs, logged_on, past, pieces, told_alone, words_of

MOMENT = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
TIMEOUT_S = 10
HOUR_S = 3600
_REQUEST_ID = Struct("<i")
TERMS = "account Sim1\nsymbol MES tick 0.25 value 1.25"


def said(ended: Sequence[Ended]) -> list[str]:
    return [f"{each.account} {each.words} {words_of(each.history)} {each.unusable}" for each in ended]


def short_way(sync: Sync, events: Sequence[object], now: float) -> list[Ended]:
    """What a session does with the events of a read."""
    ended: list[Ended] = []
    coming: Any = iter(events)
    event = next(coming, None)
    while event is not None:
        rest = None
        if (other := sync.gather(event, coming, now=now)) is not event:
            event = other
            continue
        if isinstance(event, HistoryRun):
            first, rest = event.split(1)
            event = next(first.messages())
        if isinstance(event, Message):
            ended += sync.receive(event, now=now, received_at=MOMENT) or ()
        event = next(coming, None) if rest is None else rest
    return ended


def long_way(sync: Sync, events: Sequence[object], now: float) -> list[Ended]:
    """Each message by itself."""
    messages = [event for event in told_alone(events) if isinstance(event, Message)]
    return [each for event in messages for each in sync.receive(event, now=now, received_at=MOMENT) or ()]


@settings(max_examples=400)
@given(answers, cuts, st.sets(st.integers(0, 30), max_size=3), st.sampled_from([4, 11, 2_000_000, 2_000_000]))
def test_every_question_ends_as_it_does_message_by_message(
    told: list[bytes], cut_at: list[int], silences: set[int], messages_max: int
) -> None:
    """F6, N10, N11, S2, S5: the same answers at the same reads, the same deadlines, and the same questions again.

    With numbers twice, out of order and overlapping, other requests between, other totals, frames longer and shorter
    than we know, answers that there is none, and so many messages that the question is given up.
    """
    seen: list[list[object]] = []
    for way, history_in_runs in ((long_way, False), (short_way, False), (short_way, True)):
        client, sync = logged_on(history_in_runs=history_in_runs), Sync(request_timeout_s=TIMEOUT_S)
        sync.ask_history("Sim1", MOMENT)
        sync.ask_history("120005", MOMENT)
        now, lines = 0.0, []
        with patch("dtcpos.keeping.sync._MESSAGES_MAX", messages_max):
            for number, octets in enumerate(pieces(b"".join(told), cut_at)):
                now += TIMEOUT_S if number in silences else 1
                lines += said(sync.tick(now))
                lines.append(repr(sync.next_request(now)))
                client.receive_data(octets, now)
                lines += said(way(sync, list(client.events()), now))
                lines.append(f"{sync.next_deadline()} {sync.is_idle}")
            for _ in range(4):
                now += TIMEOUT_S
                lines += said(sync.tick(now))
                lines.append(repr(sync.next_request(now)))
        seen.append(lines)
    assert seen[0] == seen[1]
    assert seen[0] == seen[2]


def test_a_history_in_order_is_gathered_but_for_its_last_message() -> None:
    """F6: whatever its length, a read of it is one part, and only the last message is looked at by itself."""
    sync = Sync(request_timeout_s=TIMEOUT_S)
    sync.ask_history("Sim1", MOMENT)
    sync.next_request(0)
    (run,) = in_runs([past(number, TotalNumberMessages=1000) for number in range(1, 1001)])
    last = sync.gather(run, iter(()), now=1)
    assert isinstance(last, HistoryRun)
    assert (last.number, len(last)) == (1000, 1)
    (ended,) = short_way(sync, [last], 1)
    assert [len(part) if isinstance(part, HistoryRun) else 1 for part in ended.history] == [999, 1]


def parts_of(messages: Sequence[HistoricalOrderFillResponse], chance: st.DataObject) -> list[Any]:
    """The messages in runs of any length, some of them alone."""
    parts: list[Any] = []
    rest: list[HistoryRun] = in_runs(messages)
    while rest:
        count = chance.draw(st.integers(1, len(rest[0])))
        first, behind = rest[0].split(count)
        parts += list(first.messages()) if chance.draw(st.booleans()) else [first]
        rest = rest[1:] if behind is None else [behind]
    return parts


moments = st.lists(st.integers(0, 12), min_size=1, max_size=12)


@settings(max_examples=300)
@given(moments, st.sampled_from(["as drawn", "oldest first", "newest first"]), st.data(), st.sets(st.integers(0, 11)))
def test_news_do_not_depend_on_the_parts_of_an_answer(
    drawn: list[int], order: str, chance: st.DataObject, changed: set[int]
) -> None:
    """F6, N3, N10: the same executions in the same places, the same digests, what cannot be meant, and hours known."""
    if order != "as drawn":
        drawn = sorted(drawn, reverse=order == "newest first")
    # Several in a second, and several seconds in an hour.
    times = [NOON + each // 4 * HOUR_S + each % 4 // 2 for each in drawn]
    earlier = [past(number, DateTime=time) for number, time in enumerate(times, 1)]
    told = [
        past(number, DateTime=time, Price=float("nan") if number % 3 == 0 else 1.0) if number - 1 in changed else was
        for number, (time, was) in enumerate(zip(times, earlier, strict=True), 1)
    ]
    seen = []
    for is_alone in (True, False):
        before, now = (
            [message for run in in_runs(each) for message in run.messages()] if is_alone else parts_of(each, chance)
            for each in (earlier, told)
        )
        first = news_of(before, account="Sim1")
        seen.append([repr(first), repr(news_of(now, account="Sim1", known=first.digests))])
    assert seen[0] == seen[1]


LIVE = [
    OrderUpdate(
        Symbol="MES",
        ServerOrderID=f"{number}",
        OrderStatus=7,
        OrderUpdateReason=4,
        BuySell=1,
        OrderQuantity=1.0,
        FilledQuantity=1.0,
        LastFillPrice=5000.25 + number,
        LastFillQuantity=1.0,
        LastFillDateTime=(NOON + number // 3) * 1000,
        LastFillExecutionID=f"H-{number}",
        TradeAccount="Sim1",
    )
    for number in (3, 40)
]
told_live = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([encode(each, Encoding.BINARY) for each in LIVE])))


def without_runs(*arguments: Any, **options: Any) -> Connection:
    return Connection(*arguments, **{**options, "history_in_runs": False})


def fed(told: list[bytes], cut_at: Sequence[int]) -> tuple[list[str], object]:
    """What a keeper says and has when it is told these frames for its question about history, in these reads."""
    pair = Pair(terms=f"{TERMS}\nno-answer history", request_timeout_s=1.0).connect()
    request = pair.keeper._session._sync._current
    assert request is not None
    # The frames answer request 1 among others, which was the one for accounts.
    ids = {1: request.request_id, request.request_id: 1}
    octets = bytearray()
    for frame in told:
        octets += frame
        if frame[2:4] == b"\x30\x01" and len(frame) > HEADER.size:
            given = int.from_bytes(frame[4:8], "little", signed=True)
            _REQUEST_ID.pack_into(octets, len(octets) - len(frame) + 4, ids.get(given, given))
    for piece in pieces(bytes(octets), cut_at):
        pair.feed(piece)
    pair.settle()
    ledger = pair.repository
    kept = (ledger.content_hash(), ledger.history_digests("Sim1"), pair.keeper.unfinished, pair.keeper.skipped)
    prove(ledger)
    return [repr(update) for update in pair.told], kept


@settings(max_examples=60)
@given(answers, told_live, cuts)
def test_the_ledger_is_that_of_message_by_message(
    told: list[bytes], live: list[tuple[int, bytes]], cut_at: list[int]
) -> None:
    """F6, N4, N10, N11: updates, ledger, digests and what is unfinished, with live executions between the frames."""
    for place, frame in live:
        told.insert(place % (len(told) + 1), frame)
    in_one = fed(told, cut_at)
    with patch("dtcpos.keeping.session.Connection", without_runs):
        assert fed(told, cut_at) == in_one


def traded(**options: Any) -> Pair:
    pair = Pair(terms=TERMS, **options)
    for number in range(1, 7):
        pair.fill(f"{'+1' if number % 3 else '-2'} MES @ {5000 + number}", id=f"E-{number}", away=True)
    return pair


def digests(ledger: PositionRepository) -> dict[int, bytes]:
    return ledger.history_digests("Sim1")


def test_digests_do_not_depend_on_how_the_bytes_came() -> None:
    """F6, N2: byte by byte, in frames and whole: what was told once is known, however it is told again."""
    whole = traded().connect().settle()
    assert digests(whole.repository)
    for split in (bytewise, lambda octets: iter(pieces(octets, range(700, len(octets), 700)))):
        pair = traded(split=split).connect().settle()
        assert digests(pair.repository) == digests(whole.repository)
    with patch("dtcpos.keeping.session.Connection", without_runs):
        assert digests(traded().connect().settle().repository) == digests(whole.repository)


def test_a_history_cut_at_every_message_is_made_good() -> None:
    """N3, N11: the line breaks behind each message of the session, and in the middle of the next."""
    whole = traded().connect().settle()
    for end in frame_ends(whole.heard[0], Encoding.BINARY):
        for cut_at in (end, end + 11):
            pair = traded(cut_at=cut_at).connect()
            while pair.session is None:
                pair.reconnect()
            pair.settle()
            assert outcome_of(pair.repository) == outcome_of(whole.repository)
            assert digests(pair.repository) == digests(whole.repository)


@pytest.mark.parametrize("encoding", Encoding)
def test_the_middle_of_a_history_costs_no_transaction(encoding: Encoding, monkeypatch: pytest.MonkeyPatch) -> None:
    """F6: only the read that ends it does."""
    pair = Pair(terms=f"{TERMS}\nno-answer history", encoding=encoding).connect()
    request = pair.keeper._session._sync._current
    assert request is not None
    frames = [
        encode(past(number, RequestID=request.request_id, TotalNumberMessages=6), encoding) for number in range(1, 7)
    ]
    begun = []
    monkeypatch.setattr(PositionRepository, "transaction", counted(PositionRepository.transaction, begun))
    costs = []
    for frame in [frames[0], frames[1] + frames[2], frames[3][:9], frames[3][9:] + frames[4], frames[5]]:
        before = len(begun)
        pair.feed(frame)
        costs.append(len(begun) - before)
    assert costs[:-1] == [0, 0, 0, 0]
    assert costs[-1] >= 1
    assert len(pair.fills()) == 6


def counted(transaction: Any, begun: list[int]) -> Any:
    def begin(repository: PositionRepository) -> Any:
        begun.append(1)
        return transaction(repository)

    return begin


def test_frames_of_other_sizes_are_the_same_history() -> None:
    """S2: an older server's frames end earlier, a newer one's later; what both say is what we know of it."""
    for size in (0, 496, 384):
        told = [frame_of(past(number, TotalNumberMessages=4), size=size) for number in range(1, 5)]
        _, (_, known, unfinished, skipped) = fed(told, [])  # type: ignore[misc]
        assert (len(known), unfinished, skipped) == (1, (), 0)
