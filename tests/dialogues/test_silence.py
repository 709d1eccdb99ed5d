"""What no answer, half an answer and a refusal do to what is held: nothing; and what little a snapshot may do."""

from __future__ import annotations

import pytest

from dtcpos.model import Source, Status
from dtcpos.updates import BreakUpdate, SyncedUpdate
from tests.outcome import assert_true, outcome_of, prove
from tests.pair import Pair, fills_of

TOPICS = ["history", "positions", "orders"]


def holding() -> Pair:
    """A keeper that holds two lots, agreed with the server."""
    pair = Pair(request_timeout_s=1.0).connect()
    pair.fill("+1 MES @ 5050", id="E-1", order="1").fill("+1 MES @ 5051", id="E-2", order="2")
    assert pair.status() is Status.VERIFIED
    return pair.reconnect().settle()


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize(
    "fault", ["reject {} 'not now'", "no-answer {}", "cut-batch {} after 0 stay", "cut-batch {} after 1 stay"]
)
def test_a_question_without_a_whole_answer_changes_nothing(topic: str, fault: str) -> None:
    """N11: reject (302, 307, 308), timeout, and a batch that never ends: nothing closed, changed or removed."""
    pair = holding()
    expected = outcome_of(pair.repository)
    pair.perform(fault.format(topic)).reconnect().settle()
    assert pair.keeper.is_synced
    assert outcome_of(pair.repository) == expected
    assert pair.positions() == ["Sim1 +2 MES @ 5050.5"]
    assert pair.repository.open_breaks() == []
    synced = pair.told_of(SyncedUpdate)[-1]
    if "cut-batch" not in fault and topic != "orders":
        assert len(synced.unfinished) == 2, "one for each account"
    if topic == "positions" and "cut-batch" not in fault:
        assert pair.status() is Status.UNVERIFIED


@pytest.mark.parametrize("topic", [*TOPICS, "accounts"])
@pytest.mark.parametrize("messages", [0, 1])
def test_a_line_that_dies_inside_a_batch_changes_nothing(topic: str, messages: int) -> None:
    """N11: a batch cut before its last message is no answer; the next session asks again."""
    pair = holding()
    expected = outcome_of(pair.repository)
    pair.perform(f"cut-batch {topic} after {messages}").reconnect()
    assert pair.is_down or messages
    assert outcome_of(pair.repository) == expected
    pair.reconnect().settle()
    assert outcome_of(pair.repository) == expected
    assert pair.status() is Status.VERIFIED


def test_a_server_that_is_silent_after_logon_changes_nothing() -> None:
    """N11: no answer to anything at all; the position stays, and says that nobody confirmed it."""
    pair = holding()
    pair.perform("no-answer all").reconnect().wait(15)
    assert pair.keeper.is_synced
    assert pair.positions() == ["Sim1 +2 MES @ 5050.5"]
    assert pair.repository.open_breaks() == []


def test_a_position_missing_from_half_a_batch_is_not_flat() -> None:
    """N11: of two positions one arrives before the line dies; the other is not taken for closed."""
    pair = Pair().connect().fill("+1 MES @ 5050", id="E-1").fill("-1 MNQ @ 18000", id="E-2").reconnect().settle()
    pair.perform("cut-batch positions after 1").reconnect()
    assert pair.positions() == ["Sim1 +1 MES @ 5050", "Sim1 -1 MNQ @ 18000"]
    assert pair.repository.open_breaks() == []


def test_a_server_that_refuses_everything_about_trading_still_tells_fills() -> None:
    """N11, S7: 302, 307 and 308 to every question; live fills are booked, the status says what is known."""
    pair = Pair(terms="account Sim1\nsymbol MES tick 0.25 value 1.25\ntrading off").connect()
    pair.fill("+1 MES @ 5050", id="E-1").settle()
    assert pair.positions() == ["Sim1 +1 MES @ 5050"]
    pair.reconnect().settle()
    assert pair.positions() == ["Sim1 +1 MES @ 5050"]
    assert pair.told_of(SyncedUpdate)[-1].unfinished


def test_a_snapshot_is_never_counted_on_top_of_fills() -> None:
    """N12: the net position that follows each fill, and every later snapshot, are checks."""
    pair = Pair().connect()
    for number in range(1, 5):
        pair.fill("+1 MES @ 5050", id=f"E-{number}", order="1", of=4).perform("restate")
        assert pair.positions() == [f"Sim1 +{number} MES @ 5050"]
    pair.reconnect().perform("restate", "restate").settle()
    assert pair.positions() == ["Sim1 +4 MES @ 5050"]
    assert [fill.source for fill in fills_of(pair.repository)] == [Source.LIVE] * 4


def test_the_snapshot_between_two_partial_fills_is_not_counted() -> None:
    """N12: the server's position already holds a partial fill that we are told of a moment later."""
    pair = Pair().connect().fill("+1 MES @ 5050", id="E-1", order="1", of=2).settle()
    pair.fill("+1 MES @ 5050", id="E-2", order="1", away=True).perform("restate")
    assert pair.positions() == ["Sim1 +1 MES @ 5050"]
    pair.perform("repeat last").settle()
    assert pair.positions() == ["Sim1 +2 MES @ 5050"]
    assert pair.repository.open_breaks() == []


def test_after_first_contact_a_difference_is_a_break_and_no_input() -> None:
    """N12, N13: the server holds something else, and no execution explains it; ours stays until someone answers."""
    pair = holding()
    pair.perform("position Sim1 MES 5 @ 5040").settle()
    assert pair.positions() == ["Sim1 +2 MES @ 5050.5"]
    (found,) = pair.repository.open_breaks()
    assert (found.kind, found.held_quantity, found.reported_quantity) == ("quantity", 2, 5)
    assert pair.status() is Status.BREAK
    pair.reconnect().settle()
    assert pair.positions() == ["Sim1 +2 MES @ 5050.5"]
    assert len(pair.repository.open_breaks()) == 1
    pair.perform("position Sim1 MES 2 @ 5050.50").settle()
    assert pair.repository.open_breaks() == []
    assert [update.is_resolved for update in pair.told_of(BreakUpdate)][-1] is True


def test_closed_elsewhere_with_history_is_closed_at_the_real_price() -> None:
    """N13: away we were, and history knows the exit."""
    pair = holding().fill("-2 MES @ 5061.25", id="E-3", order="3", away=True).reconnect().settle()
    assert pair.positions() == []
    assert pair.trades() == ["Sim1 LONG 2 MES 5050.5 to 5061.25 = 21.5"]
    assert pair.repository.open_breaks() == []


def test_closed_elsewhere_without_history_stays_until_someone_answers() -> None:
    """N13: the position stays with status BREAK; no exit is invented."""
    pair = holding().perform("reject history", "position Sim1 MES 0 @ 0").reconnect().settle()
    assert pair.positions() == ["Sim1 +2 MES @ 5050.5"]
    assert pair.trades() == []
    assert pair.status() is Status.BREAK


def test_a_position_from_before_the_history_window_is_carried_in() -> None:
    """N9: taken over at the server's quantity and average, flagged, with no profit invented."""
    terms = "account Sim1\nsymbol MES tick 0.25 value 1.25\nheld Sim1 MES -2 @ 5100.25"
    pair = Pair(terms=terms).fill("+1 MES @ 5090", id="E-1", away=True).connect().settle()
    assert pair.positions() == ["Sim1 -1 MES @ 5100.25"]
    ((key, position),) = pair.repository.positions().items()
    assert key.mode == "SIM"
    assert "carried" in position.flags
    assert position.realized == 10.25
    assert pair.status() is Status.VERIFIED
    assert len(pair.alerts("carried")) == 1
    before = pair.repository.content_hash()
    pair.reconnect().settle()
    assert pair.repository.content_hash() == before


def test_a_position_flat_inside_the_window_is_carried_at_an_unknown_price() -> None:
    """N9: where the average cannot tell what the old lots cost, their profit is null and not a number."""
    terms = "account Sim1\nsymbol MES tick 0.25 value 1.25\nheld Sim1 MES 1 @ 5000"
    pair = Pair(terms=terms)
    pair.fill("-1 MES @ 5010", id="E-1", away=True).fill("+1 MES @ 5020", id="E-2", away=True).connect().settle()
    assert pair.positions() == ["Sim1 +1 MES @ 5020"]
    assert pair.trades() == ["Sim1 LONG 1 MES ? to 5010 = ?"]


def test_lots_carried_in_come_before_fills_of_a_slower_clock() -> None:
    """N9, N10: the server's clock is behind ours; its next fill still closes what was there before."""
    terms = "account Sim1\nsymbol MES tick 0.25 value 1.25\nheld Sim1 MES -2 @ 5100"
    pair = Pair(terms=terms).connect().settle().fill("+1 MES @ 5090", id="E-1", at="2026-11-28T11:59:00").settle()
    assert pair.positions() == ["Sim1 -1 MES @ 5100"]
    assert pair.trades() == []
    assert pair.repository.open_breaks() == []


def test_history_that_comes_later_replaces_what_was_carried_in_without_it() -> None:
    """N1, N12: lots carried in while history was refused are not counted again when history tells them."""
    pair = Pair().perform("reject history 'not ready yet'")
    pair.fill("+2 MES @ 5050", id="E-1", order="1", away=True).fill("-1 MES @ 5060", id="E-2", order="2", away=True)
    pair.connect().settle()
    assert pair.positions() == ["Sim1 +1 MES @ 5050"]
    assert pair.alerts("carried") == ["carried in +1 MES @ 5050: opened before the history we were given"]
    pair.perform("answer history").fill("+1 MES @ 5054", id="E-3", order="3").reconnect().settle()
    assert_true(pair.repository, pair.performance.venue)
    assert pair.positions() == ["Sim1 +2 MES @ 5052"]
    assert pair.repository.open_breaks() == []


def test_history_that_explains_only_a_part_leaves_the_rest_carried() -> None:
    """N9, N12: what was carried in without history becomes executions and a smaller carried rest."""
    terms = "account Sim1\nsymbol MES tick 0.25 value 1.25\nheld Sim1 MES 3 @ 5000\nreject history later"
    pair = Pair(terms=terms).fill("+1 MES @ 5040", id="E-1", away=True).connect().settle()
    assert pair.positions() == ["Sim1 +4 MES @ 5010"]
    pair.perform("answer history").reconnect().settle()
    assert pair.positions() == ["Sim1 +4 MES @ 5010"]
    assert [(fill.quantity, fill.price) for fill in fills_of(pair.repository)] == [(1, 5040), (3, 5000)]
    assert pair.repository.open_breaks() == []
    prove(pair.repository)
