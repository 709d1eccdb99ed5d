"""A pair whose keeper's clock is not the server's, and may be set while they talk."""

from __future__ import annotations

from typing import Any

from dtcpos.keeper import PositionKeeper
from dtcpos.updates import Update
from tests.pair import Pair


class Wrong:
    """A keeper as it looks to a world whose clock is so many seconds behind the keeper's."""

    def __init__(self, keeper: PositionKeeper, ahead: float) -> None:
        self._keeper = keeper
        self.ahead = ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._keeper, name)

    def start(self, *, now: float) -> list[Update]:
        """As the keeper's, at its own time."""
        return self._keeper.start(now=now + self.ahead)

    def receive_data(self, data: bytes, *, now: float) -> list[Update]:
        """As the keeper's, at its own time."""
        return self._keeper.receive_data(data, now=now + self.ahead)

    def tick(self, *, now: float) -> list[Update]:
        """As the keeper's, at its own time."""
        return self._keeper.tick(now=now + self.ahead)

    def stop(self, *, now: float) -> list[Update]:
        """As the keeper's, at its own time."""
        return self._keeper.stop(now=now + self.ahead)

    def next_deadline(self) -> float | None:
        """As the keeper's, at the world's time."""
        due = self._keeper.next_deadline()
        return None if due is None else due - self.ahead


class SkewedPair(Pair):
    """A pair in which our clock is `ahead` of the server's, in seconds."""

    def __init__(self, script: str = "", *, ahead: float, **words: Any) -> None:
        self.ahead = ahead
        super().__init__(script, **words)

    def _new_keeper(self) -> Any:
        return Wrong(super()._new_keeper(), self.ahead)

    @property
    def our_now(self) -> float:
        """Our time."""
        return self.now + self.ahead
