"""Which executions are the same one."""

from __future__ import annotations

from decimal import Decimal

from dtcpos.keeping.identity import Known, KnownOrder, history_matches, ids_shared, live_match, nameless_match
from dtcpos.model import Fill, Sighting, Source
from tests.notation import at, fill

D = Decimal


def live(text: str, name: str = "", cumulative: int | None = None, **facts: object) -> Fill:
    filled = None if cumulative is None else D(cumulative)
    return fill(text, execution_id=name, cumulative_quantity=filled, **facts)


def past(text: str, name: str = "") -> Fill:
    return fill(text, execution_id=name, source=Source.BACKFILL, time_is_exact=False)


def seen_again(known: Fill, name: str) -> Known:
    assert known.id is not None
    source = Source.BACKFILL if known.source is Source.LIVE else Source.LIVE
    return Known(known, (Sighting(fill_id=known.id, source=source, seen_at=at(9), execution_id=name),))


def matched(fills: list[Fill], order: list[Known], *, shared: bool | None = None) -> list[int | None]:
    by_id = {name: known for known in order for name in known.ids_from(Source.LIVE) | known.ids_from(Source.BACKFILL)}
    found = history_matches(fills, by_id, order, ids_are_shared=shared)
    return [None if known is None else known.fill.id for known in found]


def test_without_ids_the_cumulative_quantity_tells_them_apart() -> None:
    """N5: two equal fills of one order differ in how much was filled after them."""
    first = Known(live("+1 @ 5000", cumulative=1))
    assert live_match(live("+1 @ 5000", cumulative=1), KnownOrder([first]), ids_are_shared=None) is first
    assert live_match(live("+1 @ 5000", cumulative=2), KnownOrder([first]), ids_are_shared=None) is None


def test_history_ids_of_another_namespace_match_as_a_multiset() -> None:
    """N6: nothing is counted twice, and a truly missing fill of the order is still found."""
    order = [Known(live("+1 @ 5000", "L-1")), Known(live("+1 @ 5000", "L-2"))]
    told = [past("+1 @ 5000", "H-7"), past("+1 @ 5000", "H-8"), past("+1 @ 5001", "H-9")]
    assert matched(told, order) == [order[0].fill.id, order[1].fill.id, None]


def test_one_id_that_meets_makes_them_one_namespace() -> None:
    """N5: then an equal fill under an unknown id is another fill."""
    order = [Known(live("+1 @ 5000", "E-1"))]
    assert matched([past("+1 @ 5000", "E-1"), past("+1 @ 5000", "E-2")], order) == [order[0].fill.id, None]


def test_what_history_named_before_is_not_taken_by_another_name() -> None:
    """N6: the second look at history finds what the first one called by the same names."""
    order = [seen_again(live("+1 @ 5000", "L-1"), "H-7")]
    assert matched([past("+1 @ 5000", "H-7"), past("+1 @ 5000", "H-8")], order) == [order[0].fill.id, None]


def test_history_without_ids_is_told_again_as_a_multiset() -> None:
    """N2: a restart finds the same executions, not new ones."""
    order = [Known(past("+1 @ 5000")), Known(past("+1 @ 5000"))]
    told = [past("+1 @ 5000"), past("+1 @ 5000")]
    assert sorted(matched(told, order), key=str) == sorted((known.fill.id for known in order), key=str)


def test_a_live_fill_that_history_told_first_under_another_name() -> None:
    """N6: the order's quantity is booked already, so the live telling is a sighting."""
    known = Known(past("+1 @ 5000", "H-7"))
    assert live_match(live("+1 @ 5000", "L-1", cumulative=1), KnownOrder([known]), ids_are_shared=None) is known
    assert live_match(live("+1 @ 5000", "L-2", cumulative=2), KnownOrder([known]), ids_are_shared=None) is None
    assert live_match(live("+1 @ 5000", "L-1", cumulative=1), KnownOrder([known]), ids_are_shared=True) is None


def test_namespaces_are_judged_by_fills_seen_twice() -> None:
    """N6: one id in common settles it; ids that differ say they are two."""
    same = seen_again(live("+1 @ 5000", "E-1"), "E-1")
    other = seen_again(live("+1 @ 5000", "L-1"), "H-1")
    assert ids_shared([]) is None
    assert ids_shared([other]) is False
    assert ids_shared([other, same]) is True


def test_without_id_and_order_only_the_same_words_at_the_same_instant_are_the_same() -> None:
    """N5: a server that names neither may still say a thing twice; another instant is another execution."""
    known = Known(fill("+1 @ 5000", 0.25, execution_id="", order_id=""))
    told = fill("+1 @ 5000", 0.25, execution_id="", order_id="")
    assert nameless_match(told, [known]) is known
    assert nameless_match(fill("+1 @ 5000", 0.5, execution_id="", order_id=""), [known]) is None
    assert nameless_match(fill("+2 @ 5000", 0.25, execution_id="", order_id=""), [known]) is None
