"""Each execution once: told live and as history, under other names, without names, twice, too often, corrected."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dtcpos.dtc import OrderUpdate, encode
from dtcpos.keeping.corrections import Corrections
from dtcpos.keeping.session import moment_of_clock
from dtcpos.model import Source
from dtcpos.sim.reports import fill_update
from dtcpos.updates import TradeUpdate
from tests.outcome import assert_true, outcome_of, prove
from tests.pair import Pair, changed, fills_of


def reports(pair: Pair) -> list[OrderUpdate]:
    """What the venue would tell live of every execution, in the order of time."""
    venue = pair.performance.venue
    executions = sorted(venue.executions(), key=lambda execution: execution.ordinal)
    messages = [fill_update(venue, one, venue.orders.get((one.account, one.order_id))) for one in executions]
    assert all(isinstance(message, OrderUpdate) for message in messages)
    return messages  # type: ignore[return-value]


@pytest.mark.parametrize("live_first", [True, False], ids=["live first", "history first"])
def test_live_and_history_are_one_fill_with_two_sightings(live_first: bool) -> None:
    """N4: the same execution through 301 and 304 is booked once, whichever comes first."""
    pair = Pair().connect() if live_first else Pair()
    pair.fill("+2 MES @ 5050.25", id="E-1", order="1", away=not live_first)
    pair.reconnect() if live_first else pair.connect().send(*reports(pair))
    pair.settle()
    assert pair.fills() == ["Sim1 +2 MES @ 5050.25 E-1"]
    assert pair.sightings() == {"E-1": ["BACKFILL", "LIVE"]}
    assert pair.told_fills() == ["Sim1 +2 MES @ 5050.25 E-1"]
    assert pair.positions() == ["Sim1 +2 MES @ 5050.25"]


def test_a_restated_execution_changes_nothing() -> None:
    """N4: replaying an execution after logon, again and again, leaves the ledger as it was."""
    pair = Pair().connect().fill("+2 MES @ 5312.25", id="a-1").reconnect().settle()
    before = pair.repository.content_hash()
    for _ in range(3):
        pair.perform("repeat last").reconnect().settle()
    assert pair.repository.content_hash() == before
    assert pair.positions() == ["Sim1 +2 MES @ 5312.25"]


def test_equal_fills_with_different_ids_both_count() -> None:
    """N5: same order, side, quantity, price and second, two execution ids: two fills."""
    pair = Pair().connect()
    pair.fill("+1 MES @ 5050", id="E-1", order="1", of=2).fill("+1 MES @ 5050", id="E-2", order="1")
    pair.reconnect().settle()
    assert pair.fills() == ["Sim1 +1 MES @ 5050 E-1", "Sim1 +1 MES @ 5050 E-2"]
    assert_true(pair.repository, pair.performance.venue)


@pytest.mark.parametrize("is_live", [True, False], ids=["live", "history"])
def test_equal_fills_without_ids_are_told_apart_by_the_cumulative_quantity(is_live: bool) -> None:
    """N5: two equal fills of one order without execution ids both count, and repeating them adds none."""
    pair = Pair().connect() if is_live else Pair()
    for _ in range(2):
        pair.fill("+1 MES @ 5050", id="-", order="1", of=3, away=not is_live)
    if is_live:
        pair.perform("repeat all", "repeat last").reconnect()
    else:
        pair.connect().send(*reports(pair)).send(*reports(pair))
    pair.fill("+1 MES @ 5050", id="-", order="1").perform("repeat all").reconnect().settle()
    assert pair.fills() == ["Sim1 +1 MES @ 5050"] * 3
    assert pair.told_fills() == ["Sim1 +1 MES @ 5050"] * 3
    assert_true(pair.repository, pair.performance.venue)


@pytest.mark.parametrize("live_first", [True, False], ids=["live first", "history first"])
def test_ids_of_another_namespace_count_nothing_twice(live_first: bool) -> None:
    """N6: history names the order's executions otherwise than the live feed; they are matched by what they did."""
    pair = Pair().connect() if live_first else Pair()
    for number in (1, 2):
        pair.fill("+1 MES @ 5050", id=f"L-{number}", history_id=f"H-{number}", order="1", of=2, away=not live_first)
    pair.reconnect() if live_first else pair.connect().send(*reports(pair)).send(*reports(pair))
    pair.settle()
    assert pair.positions() == ["Sim1 +2 MES @ 5050"]
    assert len(pair.fills()) == 2
    seen = pair.repository.sightings_of([fill.id for fill in fills_of(pair.repository) if fill.id is not None])
    assert sorted(sorted(s.execution_id for s in each) for each in seen.values()) == [["H-1", "L-1"], ["H-2", "L-2"]]


def test_a_fill_truly_missing_of_such_an_order_is_found() -> None:
    """N6: with ids from another namespace a missed execution, equal to others of its order, is still booked."""
    pair = Pair().connect().fill("+1 MES @ 5050", id="L-1", history_id="H-1", order="1", of=3)
    pair.fill("+1 MES @ 5050", id="L-2", history_id="H-2", order="1", away=True)
    pair.fill("+1 MES @ 5050", id="L-3", history_id="H-3", order="1").settle()
    assert pair.positions() == ["Sim1 +3 MES @ 5050"]
    assert_true(pair.repository, pair.performance.venue)
    assert pair.repository.open_breaks() == []


def test_the_missing_one_of_two_equal_fills_is_missing_at_its_own_time() -> None:
    """N6, N10: the live one of two equal executions is not taken for the other, which would book it at a wrong time."""
    pair = Pair()
    pair.fill("+1 MES @ 5050", id="L-1", history_id="H-1", order="1", of=2, away=True, at="2026-11-28T11:00:00")
    pair.fill("-1 MES @ 5060", id="L-2", history_id="H-2", order="2", away=True, at="2026-11-28T11:30:00")
    pair.perform("reject history sorry").connect()
    pair.fill("+1 MES @ 5050", id="L-3", history_id="H-3", order="1", at="2026-11-28T11:45:00")
    pair.perform("answer history").reconnect().settle()
    assert pair.trades() == ["Sim1 LONG 1 MES 5050 to 5060 = 10"]
    assert pair.positions() == ["Sim1 +1 MES @ 5050"]


def test_a_new_fill_without_id_is_not_taken_for_one_that_history_told() -> None:
    """N5, N3: the second of two equal fills is booked as it is told, though history has told only the first."""
    pair = Pair().fill("+1 MES @ 5050", id="-", order="1", of=2, away=True).connect()
    pair.fill("+1 MES @ 5050", id="-", order="1")
    assert pair.positions() == ["Sim1 +2 MES @ 5050"]
    assert len(pair.told_fills()) == 2


def test_a_history_told_newest_first_is_read_in_the_order_of_time() -> None:
    """N3: within one second the place in the batch decides, whichever end the server begins at."""
    terms = "account Sim1 no-position-after\nsymbol MES tick 0.25 value 1.25\nhistory-order newest"
    pair = Pair(terms=terms).fill("+1 MES @ 5000", id="E-0", away=True, at="2026-11-28T09:00:00")
    for number, text in enumerate(("-1 MES @ 5010", "-1 MES @ 5020", "+1 MES @ 5030", "+1 MES @ 5040"), 1):
        pair.fill(text, id=f"E-{number}", away=True, at="2026-11-28T10:00:00")
    pair.connect().settle()
    assert pair.trades() == ["Sim1 LONG 1 MES 5000 to 5010 = 10", "Sim1 SHORT 1 MES 5020 to 5030 = -10"]
    assert pair.positions() == ["Sim1 +1 MES @ 5040"]


def test_a_duplicate_final_fill_still_updates_its_order() -> None:
    """N7: the execution adds nothing, the order's state is taken."""
    pair = Pair().connect().perform("order Sim1 1 BUY 2 MES limit 5050").fill("+1 MES @ 5050", id="E-1", order="1")
    pair.wait(1)
    assert [order.order_id for order in pair.repository.working_orders()] == ["1"]
    (told,) = reports(pair)
    pair.send(changed(told, OrderStatus=7, OrderUpdateReason=4, OrderQuantity=1.0, RemainingQuantity=0.0))
    assert pair.fills() == ["Sim1 +1 MES @ 5050 E-1"]
    pair.wait(1)
    assert pair.repository.working_orders() == []


def test_an_overfill_is_recorded_and_flagged() -> None:
    """N7: fills beyond the order's quantity count like any other, and are said to be too many."""
    pair = Pair().connect().perform("order Sim1 1 BUY 2 MES limit 5050")
    pair.fill("+2 MES @ 5050", id="E-1", order="1").fill("+1 MES @ 5051", id="E-2", order="1")
    assert pair.positions() == ["Sim1 +3 MES @ 5050.3333333333"]
    assert [fill.flags for fill in fills_of(pair.repository)] == [(), ("overfill",)]
    assert pair.alerts("overfill") == ["order 1 filled more than its quantity"]


def test_a_correction_supersedes_and_the_trade_is_recomputed() -> None:
    """N8: same id, other content: the newer counts, the older stays readable, the journal says so."""
    pair = (
        Pair().connect().fill("+1 MES @ 5050", id="E-1").fill("-1 MES @ 5060", id="E-2").fill("+1 MES @ 5070", id="E-3")
    )
    assert pair.trades() == ["Sim1 LONG 1 MES 5050 to 5060 = 10"]
    pair.perform("correct Sim1 E-1 @ 5052.50")
    assert pair.trades() == ["Sim1 LONG 1 MES 5052.5 to 5060 = 7.5"]
    assert pair.positions() == ["Sim1 +1 MES @ 5070"]
    assert pair.fills() == ["Sim1 -1 MES @ 5060 E-2", "Sim1 +1 MES @ 5070 E-3", "Sim1 +1 MES @ 5052.5 E-1"]
    (older,) = pair.repository.fills([1])
    (newer,) = pair.repository.fills([4])
    assert older.price == 5050
    assert (newer.supersedes, newer.source) == (1, Source.LIVE)
    assert newer.reason == "the server restated this execution"
    assert [update.is_restated for update in pair.told_of(TradeUpdate)] == [False, True]
    assert pair.causes()[-1] == "late"
    prove(pair.repository)


def test_an_old_version_told_again_does_not_come_back() -> None:
    """N8: history that still tells what was corrected live changes nothing, nor does a repeat of the old report."""
    pair = Pair().connect().fill("+1 MES @ 5050", id="E-1")
    (old,) = reports(pair)
    pair.perform("correct Sim1 E-1 @ 5052.50").send(old)
    assert pair.positions() == ["Sim1 +1 MES @ 5052.5"]
    pair.reconnect().settle()
    assert pair.positions() == ["Sim1 +1 MES @ 5052.5"]
    assert len(pair.repository.fills([1, 2, 3])) == 2


def test_a_correction_of_the_quantity_is_followed() -> None:
    """N8: a quantity that was wrong is made right in the position."""
    pair = Pair().connect().fill("+3 MES @ 5050", id="E-1").perform("correct Sim1 E-1 quantity 2 @ 5050")
    assert pair.positions() == ["Sim1 +2 MES @ 5050"]
    prove(pair.repository)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_a_fill_arriving_late_is_booked_in_its_place(order: tuple[int, ...]) -> None:
    """N10: three executions told in any order give the trade and the position of their own times."""
    pair = Pair()
    for number, text in enumerate(("+1 MES @ 5050", "-1 MES @ 5060", "+1 MES @ 5055"), 1):
        pair.fill(text, id=f"E-{number}", away=True)
    told = reports(pair)
    late = Pair().connect().send(*(told[index] for index in order)).settle()
    early = Pair().connect().send(*told).settle()
    assert late.trades() == early.trades() == ["Sim1 LONG 1 MES 5050 to 5060 = 10"]
    assert late.positions() == early.positions() == ["Sim1 +1 MES @ 5055"]
    assert outcome_of(late.repository) == outcome_of(early.repository)
    prove(late.repository)


def test_a_trade_never_ends_before_it_began() -> None:
    """P1, N3: the exit is known to the whole second only, the entry of the same second to the millisecond."""
    pair = Pair().connect().fill("+1 MES @ 5050", id="E-1", at="2026-11-28T11:59:58.500")
    pair.fill("-1 MES @ 5051", id="E-2", away=True, at="2026-11-28T11:59:58.900").reconnect().settle()
    (trade,) = pair.repository.trades_of_key("Sim1", "MES")
    assert trade.direction == "LONG"
    assert trade.exit_time >= trade.entry_time
    prove(pair.repository)


def test_orders_done_in_a_burst_are_not_kept() -> None:
    """N7: nothing of them can trade; one told by itself is kept, so that the proof can hold its fills against it."""
    pair = Pair().connect().fill("+1 MES @ 5050", id="E-1", order="9", of=1).wait(1)
    assert [order.order_id for order in pair.repository.orders()] == ["9"]
    (told,) = reports(pair)
    burst = [changed(told, ServerOrderID=f"{number}", LastFillExecutionID=f"B-{number}") for number in range(100, 117)]
    assert pair.session is not None
    pair.feed(b"".join(encode(message, pair.encoding) for message in burst))
    pair.wait(1)
    assert len(pair.fills()) == 18
    assert [order.order_id for order in pair.repository.orders()] == ["9"]


@pytest.mark.parametrize(
    ("change", "held"),
    [("void", ["Sim1 +1 MES @ 5001"]), ("replace", ["Sim1 +4 MES @ 5000.25"])],
    ids=["void", "replace"],
)
def test_a_persons_correction_stands_against_a_history_under_other_names(change: str, held: list[str]) -> None:
    """N6, N8: the execution that history tells is the one a person has voided or replaced, by what it said before."""
    pair = Pair().connect().settle().fill("+2 MES @ 5000", order="77", id="E-1", history_id="H-9").settle()
    entries = Corrections(pair.repository, now=moment_of_clock(pair.now))
    with pair.repository.transaction():
        if change == "void":
            entries.void(1, reason="busted")
        else:
            entries.replace(1, changes={"quantity": Decimal(3)}, reason="told by phone")
    pair.fill("+1 MES @ 5001", order="78", id="E-2", history_id="H-10", away=True)
    pair.crash().settle()
    assert pair.positions() == held
    hash_before = pair.repository.content_hash()
    pair.crash().settle()
    assert (pair.positions(), pair.repository.content_hash()) == (held, hash_before)


def test_a_voided_execution_hides_no_other_of_its_order() -> None:
    """N6: of two alike executions a person voids one; history tells both, and the other one is still missing."""
    pair = Pair().connect().settle().fill("+2 MES @ 5000", order="77", of=4, id="E-1", history_id="H-1").settle()
    with pair.repository.transaction():
        Corrections(pair.repository, now=moment_of_clock(pair.now)).void(1, reason="busted")
    pair.fill("+2 MES @ 5000", order="77", of=4, id="E-2", history_id="H-2", away=True)
    pair.crash().settle()
    assert pair.positions() == ["Sim1 +2 MES @ 5000"]
