"""Whatever the bytes of an export of fills, the answer is its content or a refusal."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dtcpos.importers.fills import OPTIONAL, REQUIRED, FillsFile, is_fills_header
from dtcpos.importers.report import ImportRefused
from dtcpos.keeping.imported import Logged

COLUMNS = (*REQUIRED, *OPTIONAL)
GOOD: dict[str, Any] = {
    **dict.fromkeys(COLUMNS),
    "mode": "SIM",
    "account": "Sim1",
    "symbol": "MESZ26-CME",
    "side": "BUY",
    "quantity": 1,
    "price": 5050.25,
    "wire_price": 5050.25,
    "time": "2026-11-20T14:30:00.250000Z",
    "execution_id": "E-1",
    "order_id": "1001",
    "source": "LIVE",
    "flags": [],
}
VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=12),
    st.lists(st.one_of(st.integers(), st.text(max_size=3)), max_size=2),
    st.sampled_from(["", "0", "1e9", "nan", "9" * 40, "LIVE", "2026-11-20T25:00:00Z", "0001-01-01T00:00:00+14:00"]),
)


def read(text: str) -> list[Logged]:
    try:
        return list(FillsFile(Path("fills")).read(io.StringIO(text, newline="")))
    except ImportRefused:
        return []


def meant(rows: list[Logged]) -> bool:
    return all(
        row.fill.quantity > 0
        and row.fill.account
        and row.fill.symbol
        and (row.fill.price is None or row.fill.price.is_finite())
        # What a ledger stores must be text that can be written.
        and row.fill.reason.encode() is not None
        for row in rows
    )


@given(st.dictionaries(st.sampled_from(COLUMNS), VALUE, max_size=5), st.integers(0, 400), st.booleans())
def test_random_values_in_json(values: dict[str, Any], cut: int, is_array: bool) -> None:
    """U4: random values under the known keys, and files that were cut."""
    row = {**GOOD, **values}
    text = json.dumps([GOOD, row] if is_array else row)
    assert meant(read(text))
    assert meant(read(text[: len(text) * cut // 400]))


@given(st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=8), max_size=5), st.binary(max_size=60))
def test_random_cells_in_csv(cells: dict[str, str], tail: bytes) -> None:
    """U4: random cells in a good row, and anything at all after it."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerow({**GOOD, "flags": "", **cells})
    assert meant(read(out.getvalue()))
    assert meant(read(out.getvalue() + tail.decode("utf-8", "replace")))


@given(st.binary(max_size=300))
def test_random_bytes_are_no_export(octets: bytes) -> None:
    """U4: nothing is taken for one by chance, and nothing breaks that is read as one."""
    assert not is_fills_header(octets)
    assert meant(read(octets.decode("utf-8", "replace")))
