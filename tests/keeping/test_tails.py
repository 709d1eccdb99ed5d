"""The latest second of a key: new fills follow it in the order that a replay of all would give."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.booking import arranged
from dtcpos.keeping.tails import Tails
from dtcpos.model import ZERO, Fill, Side
from dtcpos.store import PositionRepository
from tests.notation import at, fill

# Signed quantity, milliseconds, whether the time is exact, whether the position after it is stated, and not as it is.
executions = st.lists(
    st.tuples(
        st.sampled_from([1, 2, -1, -3]),
        st.sampled_from([0, 1, 5, 500, 999, 1000, 1500, 3000]),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    min_size=2,
    max_size=7,
)


def fills_of(drawn: list[tuple[int, int, bool, bool, bool]]) -> list[Fill]:
    held, fills = ZERO, []
    for number, (signed, milliseconds, is_exact, is_stated, is_stated_wrong) in enumerate(drawn, 1):
        held += signed
        time = at(0) + timedelta(milliseconds=milliseconds if is_exact else milliseconds // 1000 * 1000)
        fills.append(
            fill(f"{signed:+d} @ 5000")._replace(
                side=Side.BUY if signed > 0 else Side.SELL,
                time=time,
                time_is_exact=is_exact,
                position_after=held + is_stated_wrong if is_stated else None,
                place=number if is_stated else None,
                id=number,
            )
        )
    return fills


@settings(max_examples=400)
@given(executions, st.permutations(range(7)), st.lists(st.integers(1, 3), min_size=7, max_size=7))
def test_following_fills_stand_where_a_replay_puts_them(
    drawn: list[tuple[int, int, bool, bool, bool]], order: list[int], sizes: list[int]
) -> None:
    """N10: whatever of time, chain and place is known, and however they are told together."""
    every = fills_of(drawn)
    told = [every[place] for place in order if place < len(every)]
    tails, booked, ordered = Tails(PositionRepository.in_memory()), list[Fill](), list[int]()
    for size in sizes:
        new, told = told[:size], told[size:]
        if not new:
            break
        held = sum((each.signed_quantity for each in booked), Decimal(0))
        following = tails.following("Sim1", "MES", new, held=held)
        booked += new
        replayed = list(arranged(booked, ZERO))
        if following is None:
            tails.replace("Sim1", "MES", replayed)
            ordered = [each.id or 0 for each in replayed]
        else:
            tails.extend("Sim1", "MES", following)
            ordered += [each.id or 0 for each in following]
        assert ordered == [each.id for each in replayed]


def test_executions_that_chain_among_themselves_follow_one_that_states_nothing_by_time() -> None:
    """N10: a chain orders a second only where all of it states positions."""
    first = fill("-1 @ 5000", 0.001)
    later = fill("+2 @ 5000", 0.598)._replace(position_after=Decimal(1), id=first.id and first.id + 2)
    sooner = fill("-3 @ 5000", 0.005)._replace(position_after=Decimal(-2), id=first.id and first.id + 3)
    tails = Tails(PositionRepository.in_memory())
    tails.extend("Sim1", "MES", [first])
    assert tails.following("Sim1", "MES", [later, sooner], held=Decimal(-1)) == [sooner, later]
