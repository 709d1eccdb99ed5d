"""Heat: since when an open position has been under water, that is, worth less than what its open lots cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from dtcpos.booking import unrealized
from dtcpos.model import Position, PositionKey
from dtcpos.store import PositionRepository


class Heat:
    """The positions under water, kept across restarts."""

    def __init__(self, repository: PositionRepository, positions: Mapping[PositionKey, Position]) -> None:
        self._repository = repository
        # With the fill that opened the position, because a reversal opens another under the same key.
        self._since: dict[PositionKey, tuple[int | None, datetime]] = {
            key: (positions[key].opened_by, since) for key, since in repository.heats().items() if key in positions
        }
        self._changed: dict[PositionKey, datetime | None] = {}

    def note(self, key: PositionKey, position: Position, price: Decimal, at: datetime) -> bool:
        """Take a trade at `price`; True if the position went under water or came up."""
        open_points = unrealized(position, price)
        since = self._of(key, position)
        if open_points is None or (open_points < 0) == (since is not None):
            return False
        if open_points < 0:
            self._since[key] = (position.opened_by, at)
            self._changed[key] = at
        else:
            self._since.pop(key, None)
            self._changed[key] = None
        return True

    def band(self, key: PositionKey, position: Position) -> tuple[float, float]:
        """Return the range of display prices that leave the position on the side of the water it is on."""
        if position.cost is None or position.is_flat:
            return -math.inf, math.inf
        level = float(position.cost) / float(position.signed_quantity)
        is_under = self._of(key, position) is not None
        # One step to the safe side of a float division: a tick too many is looked at, none is missed.
        if is_under == (position.signed_quantity > 0):
            return -math.inf, math.nextafter(level, -math.inf)
        return math.nextafter(level, math.inf), math.inf

    def write(self) -> None:
        """Store what changed."""
        for key, since in self._changed.items():
            self._repository.set_heat(key, since)
        self._changed.clear()

    def _of(self, key: PositionKey, position: Position) -> datetime | None:
        opened_by, since = self._since.get(key, (None, None))
        return since if opened_by == position.opened_by else None
