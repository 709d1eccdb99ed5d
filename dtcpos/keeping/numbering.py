"""Which messages of an answer have come, by their numbers."""

from __future__ import annotations


class Numbers:
    """A set of numbers that mostly come in order from 1 on: kept is how far they reach, and those beyond a gap.

    A history of millions takes as much memory and time as one of ten.
    """

    __slots__ = ("apart", "reached")

    def __init__(self) -> None:
        self.reached = 0
        self.apart: set[int] = set()

    def __len__(self) -> int:
        return self.reached + len(self.apart)

    def __contains__(self, number: int) -> bool:
        return 0 < number <= self.reached or number in self.apart

    def add(self, number: int) -> None:
        """Add a number that may come anywhere."""
        if number in self:
            return
        self.apart.add(number)
        while self.reached + 1 in self.apart:
            self.reached += 1
            self.apart.remove(self.reached)

    def follows(self, number: int) -> bool:
        """Whether this is the next number and nothing beyond it has come yet."""
        return number == self.reached + 1 and not self.apart

    def extend(self, count: int) -> None:
        """Add the next numbers, so many."""
        assert not self.apart
        self.reached += count

    def clear(self) -> None:
        """Forget all."""
        self.reached = 0
        self.apart.clear()
