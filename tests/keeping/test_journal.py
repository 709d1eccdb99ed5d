"""What the journal keeps of fills: each one, or a burst as the one change that anybody could see."""

from __future__ import annotations

from dtcpos.booking import flat, fold
from dtcpos.keeping.journal import booked
from tests.notation import KEY, MORNING, fills


def words(text: str) -> list[tuple[str, str, str]]:
    entries = booked(fold(flat(KEY), fills(text)), MORNING)
    return [(entry.before, entry.after, entry.reason) for entry in entries]


def test_every_fill_has_its_entry() -> None:
    """N8: what was held before and after each, one following from the other."""
    assert words("+1 @ 5000, +1 @ 5002, -2 @ 5010") == [
        ("flat", "+1 cost 5000 realized 0", ""),
        ("+1 cost 5000 realized 0", "+2 cost 10002 realized 0", ""),
        ("+2 cost 10002 realized 0", "flat", ""),
    ]


def test_a_burst_is_one_change() -> None:
    """F2: seventeen fills of one transaction are one entry, which says from where to where and which they were."""
    ((before, after, reason),) = words(", ".join(["+1 @ 5000"] * 17))
    assert (before, after, reason.partition(",")[0]) == ("flat", "+17 cost 85000 realized 0", "17 fills")
