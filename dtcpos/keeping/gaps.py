"""Say where a history shows that executions are missing: once per gap and session."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import starmap

from dtcpos.booking import arranged
from dtcpos.booking.gaps import Correction, Gap, gap_words, gaps, states_no_gap
from dtcpos.keeping.posting import Posting
from dtcpos.model import ZERO, Fill
from dtcpos.store import PositionRepository
from dtcpos.store.audit import corrections_of_key
from dtcpos.updates import AlertUpdate


class GapWatch:
    """Holds what history states against what is booked."""

    def __init__(self, repository: PositionRepository, posting: Posting) -> None:
        self._repository = repository
        self._posting = posting
        self._told: set[tuple[str, str, int | None, str]] = set()
        self._gapped: set[str] = set()

    def are_in(self, account: str) -> bool:
        """Whether the history of the account that was looked at last shows a gap, told now or before."""
        return account in self._gapped

    def look(
        self, account: str, history: Sequence[Fill], *, contacts: Collection[tuple[str, str]]
    ) -> list[AlertUpdate]:
        """Return an alert for each gap that a whole, booked history of an account shows and nobody was told of yet.

        What was held before the first execution of a symbol that is not among `contacts` is no gap: it will be carried
        in.
        """
        by_symbol: dict[str, list[Fill]] = defaultdict(list)
        for fill in history:
            by_symbol[fill.symbol].append(fill)
        alerts = []
        self._gapped.discard(account)
        for symbol, fills in by_symbol.items():
            key = self._posting.key_of(account, symbol)
            held = self._posting.positions.get(key)
            if states_no_gap(fills, held.signed_quantity if held is not None else ZERO):
                continue
            for gap in self._gaps(account, symbol, min(fill.time for fill in fills)):
                self._gapped.add(account)
                name = (account, symbol, gap.before.id, f"{gap.missing:f}")
                if name in self._told or (gap.after is None and (account, symbol) not in contacts):
                    continue
                self._told.add(name)
                alerts.append(AlertUpdate(kind="gap", text=gap_words(key, gap), key=key))
        return alerts

    def _gaps(self, account: str, symbol: str, moment: datetime) -> list[Gap]:
        flat_at = self._repository.flat_point_before(account, symbol, moment)
        fills = self._repository.fills_of_key(account, symbol, after=flat_at)
        corrections = starmap(Correction, corrections_of_key(self._repository, account, symbol))
        return gaps(arranged(fills, ZERO), corrections)
