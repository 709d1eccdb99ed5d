"""The fills of many keys in the order of time, each with what was held before it.

A key is followed in ledger order from a moment when it was flat. Memory does not grow with the ledger: a key takes part
only while it has fills left, and holds no more than a part of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import TypeVar

from attrs import frozen

from dtcpos.booking import arranged, priced, whole_second
from dtcpos.booking.book import EXACT
from dtcpos.model import ZERO, Decimal, Fill, Instrument
from dtcpos.store import Selection
from dtcpos.store.exporting import ExportReader
