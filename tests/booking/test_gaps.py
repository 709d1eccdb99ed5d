"""Where executions are missing, as far as stated positions tell."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtcpos.booking.gaps import Correction, gap_words, gaps, states_no_gap
from dtcpos.model import ZERO, Fill, Source
from tests.notation import KEY, at, fill


def told(text: str) -> list[Fill]:
    """Read `+2>2, -1>1, +1` as fills a second apart, each with the position stated after it where one is."""
    found = []
    for second, part in enumerate(text.split(",")):
        quantity, _, after = part.strip().partition(">")
        stated = Decimal(after) if after else None
        found.append(fill(f"{quantity} @ 5000", second, position_after=stated, execution_id=f"E-{second}"))
    return found


def found_in(text: str) -> list[tuple[str, str, int]]:
    """Return each gap as the ids of the executions around it and the lots missing."""
    return [
        ("" if gap.after is None else gap.after.execution_id, gap.before.execution_id, int(gap.missing))
        for gap in gaps(told(text))
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+1>1, +1>2, -2>0", []),
        ("+1>1, +1>3, -1>2, -2>0", [("E-0", "E-1", 1)]),
        ("+1>1, -1>2, -2>0", [("E-0", "E-1", 2)]),
        ("+1>1, +1>3, +1>2", [("E-0", "E-1", 1), ("E-1", "E-2", -2)]),
        ("+1>3, +1>4", [("", "E-0", 2)]),
        ("+1, +1, +1>4", [("", "E-2", 1)]),
        ("+1>1, +1, +1, +1>5", [("E-0", "E-3", 1)]),
        ("+1, -1", []),
    ],
)
def test_a_gap_is_located_once(text: str, expected: list[tuple[str, str, int]]) -> None:
    """N3: the first of a run of equal differences, between the two statements around it, in signed lots."""
    assert found_in(text) == expected


@given(st.lists(st.integers(-5, 5).filter(bool), min_size=2, max_size=12), st.data())
def test_leaving_out_one_fill_is_one_gap(lots: list[int], choose: st.DataObject) -> None:
    """N3: whichever execution is missing, its lots and its place are found; a whole chain has no gap."""
    running, whole = 0, []
    for second, quantity in enumerate(lots):
        running += quantity
        whole.append(fill(f"{quantity:+} @ 5000", second, position_after=Decimal(running)))
    assert not gaps(whole)
    missing = choose.draw(st.integers(0, len(whole) - 2))
    (gap,) = gaps(whole[:missing] + whole[missing + 1 :])
    assert gap.missing == lots[missing]
    assert gap.before is whole[missing + 1]
    assert gap.after is (whole[missing - 1] if missing else None)


def test_lots_carried_in_count_as_ours() -> None:
    """N9: what was held before we came is no gap once it is in the ledger."""
    carried = fill("+2 @ 5000", -1, source=Source.ADJUSTMENT)
    assert not gaps([carried, *told("+1>3, -3>0")])


@pytest.mark.parametrize("source", [Source.MANUAL, Source.ADJUSTMENT])
@pytest.mark.parametrize("goes_on", [False, True])
def test_what_a_person_made_good_is_no_gap(source: Source, goes_on: bool) -> None:
    """N13: an answer ends the difference, whether or not the server has stated a position since."""
    fills = [*told("+1>1, +1>3"), fill("+1 @ 5000", 2, source=source)]
    if goes_on:
        fills.append(fill("-1 @ 5000", 3, position_after=Decimal(2)))
    assert not gaps(fills)


def test_an_entry_that_does_not_make_it_good_leaves_the_gap() -> None:
    """N13: half an answer is none."""
    fills = [*told("+1>1, +1>4"), fill("+1 @ 5000", 2, source=Source.ADJUSTMENT)]
    assert [gap.missing for gap in gaps(fills)] == [2]


def test_a_correction_outdates_the_statements_before_it() -> None:
    """N8: what the server stated before it corrected an execution counted the old quantity."""
    first = fill("+2 @ 5000", 0, position_after=Decimal(2), booked_at=at(60), supersedes=1)
    second = fill("+1 @ 5000", 1, position_after=Decimal(2), booked_at=at(2))
    third = fill("+1 @ 5000", 2, position_after=Decimal(4), booked_at=at(70))
    assert [gap.before for gap in gaps([first, second, third])] == [second, third]
    assert not gaps([first, second, third], [Correction(at(0), at(60))])


def test_a_guessed_order_is_no_evidence() -> None:
    """N10: within a second some fills of which state no position, only the last statement counts."""
    first = fill("+1 @ 5000", 0.1)
    second = fill("+1 @ 5000", 0.2, position_after=Decimal(1))
    third = fill("-1 @ 5000", 0.3, position_after=Decimal(1))
    assert not gaps([first, second, third])
    assert gaps([first, second])


def test_a_batch_that_chains_needs_no_look() -> None:
    """F6: known history is passed over quickly, told oldest or newest first."""
    fills = told("+1>1, +2>3, -1>2")
    assert states_no_gap(fills, Decimal(2))
    assert states_no_gap(fills[::-1], Decimal(2))
    assert not states_no_gap(fills, Decimal(3))
    assert not states_no_gap(told("+1>1, +2>4"), Decimal(4))
    assert not states_no_gap(told("+1>1, +2"), Decimal(3))
    assert states_no_gap(told("+1, +2"), ZERO)
    assert states_no_gap([], ZERO)


def test_the_words_name_executions_and_lots() -> None:
    """U4: a person can look it up at the broker."""
    (gap,) = gaps(told("+1>1, -1>2"))
    assert gap_words(KEY, gap) == (
        "SIM Sim1 MESZ26-CME: 2 lots bought missing between E-0 (2026-11-20 14:30:00Z) and E-1 (2026-11-20 14:30:01Z): "
        "the server states 2 after it, the ledger comes to 0"
    )
    (leading,) = gaps([fill("+1 @ 5000", 0, position_after=Decimal(0), execution_id="", id=7)])
    assert "1 lot sold missing before fill 7 (" in gap_words(KEY, leading)
    assert leading.before.time - at(0) == timedelta(0)
