"""The numbers of an answer's messages: a set, whatever its memory of them is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dtcpos.keeping.numbering import Numbers


@given(st.lists(st.one_of(st.integers(-2, 9), st.just("next"))))
def test_they_are_a_set(added: list[int | str]) -> None:
    """N10: in any order, twice, from below one, or so many at once: what has come is what was added."""
    numbers, plain = Numbers(), set[int]()
    for each in added:
        if isinstance(each, int):
            numbers.add(each)
            plain.add(each)
        elif numbers.follows(numbers.reached + 1):
            plain.update(range(numbers.reached + 1, numbers.reached + 4))
            numbers.extend(3)
        assert len(numbers) == len(plain)
        assert [number in numbers for number in range(-3, 50)] == [number in plain for number in range(-3, 50)]
        assert numbers.follows(3) == (plain == {1, 2})
    numbers.clear()
    assert (len(numbers), numbers.follows(1)) == (0, True)


def test_a_gap_that_is_filled_is_none() -> None:
    """N10: what came out of order is in order once all before it has come."""
    numbers = Numbers()
    for number in (1, 4, 3):
        numbers.add(number)
    assert not numbers.follows(2)
    numbers.add(2)
    assert numbers.follows(5)
