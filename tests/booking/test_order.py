"""The order of the ledger: by what is stored, never by arrival."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from dtcpos.booking import arranged, natural, replay, within_second
from dtcpos.model import Fill
from tests.notation import KEY, fill

D = Decimal


def ids(fills: list[Fill]) -> list[str]:
    return [each.execution_id for each in fills]


def test_whole_seconds_come_first() -> None:
    """N10: history knows whole seconds, so they decide before anything else."""
    late, early = fill("+1 @ 1", 5, execution_id="b"), fill("+1 @ 1", 3, time_is_exact=False, execution_id="z")
    assert ids(list(arranged([late, early], D(0)))) == ["z", "b"]


def test_within_a_second_the_stated_positions_chain() -> None:
    """N10: where the server states the position after each fill, the chain is the order, whatever the ids say."""
    chain = [
        fill("+2 @ 1", 0, time_is_exact=False, position_after=D(2), execution_id="c"),
        fill("-1 @ 1", 0, time_is_exact=False, position_after=D(1), execution_id="a"),
        fill("-3 @ 1", 0, time_is_exact=False, position_after=D(-2), execution_id="b"),
    ]
    for order in permutations(chain):
        assert ids(within_second(order, D(0))) == ["c", "a", "b"]


def test_a_chain_that_comes_back_starts_where_we_stand() -> None:
    """N10: in and out within a second is two orders, and what was held before tells which."""
    there = fill("+1 @ 1", 0, time_is_exact=False, position_after=D(1), execution_id="b")
    back = fill("-1 @ 1", 0, time_is_exact=False, position_after=D(0), execution_id="a")
    assert ids(within_second([back, there], D(0))) == ["b", "a"]
    assert ids(within_second([back, there], D(1))) == ["a", "b"]


def test_statements_that_do_not_chain_are_not_followed() -> None:
    """N10: a gap in the statements leaves the order to times, places and ids."""
    first = fill("+1 @ 1", 0.1, position_after=D(1), execution_id="a")
    second = fill("+1 @ 1", 0.2, position_after=D(5), execution_id="b")
    assert ids(within_second([second, first], D(0))) == ["a", "b"]


def test_then_exact_times_then_places_then_natural_ids() -> None:
    """N10: milliseconds where all know them, else places in the batch, else ids with numbers read as numbers."""
    exact = [fill("+1 @ 1", 0.3, execution_id="a"), fill("+1 @ 1", 0.2, execution_id="b")]
    assert ids(within_second(exact, D(0))) == ["b", "a"]
    placed = [
        fill("+1 @ 1", 0, time_is_exact=False, place=1, execution_id="a"),
        fill("+1 @ 1", 0, time_is_exact=False, place=0, execution_id="b"),
    ]
    assert ids(within_second(placed, D(0))) == ["b", "a"]
    named = [fill("+1 @ 1", 0, time_is_exact=False, execution_id=name) for name in ("EX-10", "EX-9")]
    assert ids(within_second(named, D(0))) == ["EX-9", "EX-10"]
    assert natural("EX-9") < natural("EX-10") < natural("EY-1")


def test_what_nobody_named_goes_by_its_content() -> None:
    """N10: without ids the price is the last that tells two apart, and an id an import made up is none."""
    for ids_ in (("", ""), ("log-b", "log-a"), ("log-a", "log-b"), ("", "log-a")):
        for places in (ids_, ids_[::-1]):
            prices = (D(2), D(1)) if places is ids_ else (D(1), D(2))
            told = [fill(f"+1 @ {price}", 0, execution_id=name) for price, name in zip(prices, places, strict=True)]
            for order in permutations(told):
                assert [each.price for each in within_second(order, D(0))] == [D(1), D(2)]


def test_a_live_fill_beside_placed_ones_goes_by_the_times_both_know() -> None:
    """N10: a fill without a place stands before the first placed fill that is known to be later."""
    placed = [
        fill("+1 @ 1", 0.1, place=0, execution_id="a"),
        fill("+1 @ 1", 0, time_is_exact=False, place=1, execution_id="b"),
        fill("+1 @ 1", 0.7, place=2, execution_id="c"),
    ]
    live = fill("+1 @ 1", 0.5, execution_id="x")
    assert ids(within_second([live, *placed], D(0))) == ["a", "b", "x", "c"]


@st.composite
def sessions(draw: st.DrawFn) -> list[Fill]:
    held, fills = D(0), []
    for number in range(draw(st.integers(1, 9))):
        quantity = D(draw(st.integers(1, 3)))
        sign = draw(st.sampled_from("+-"))
        held += quantity if sign == "+" else -quantity
        kind = draw(st.sampled_from(["exact", "placed", "stated", "bare"]))
        second = draw(st.integers(0, 2))
        fills.append(
            fill(
                f"{sign}{quantity} @ {draw(st.integers(10, 20))}",
                second + (number / 100 if kind == "exact" else 0),
                time_is_exact=kind == "exact",
                place=number if kind in ("placed", "stated") else None,
                position_after=held if kind == "stated" else None,
                execution_id=f"E-{number}",
                id=number + 1,
            )
        )
    return fills


@settings(deadline=None)
@given(sessions(), st.randoms(use_true_random=False))
def test_any_permutation_replays_to_the_same_state(fills: list[Fill], random: Random) -> None:
    """N10: the order fills are given in changes neither positions nor trades."""
    straight = replay(KEY, fills)
    shuffled = list(fills)
    random.shuffle(shuffled)
    assert replay(KEY, shuffled) == straight
