"""Whatever the bytes of a file, the answer is its content or a refusal."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dtcpos.importers.older import OlderState, parse_state
from dtcpos.importers.report import ImportRefused
from dtcpos.importers.sierra import LogFile
from dtcpos.keeping.imported import Logged
from tests.importers.writing import COLUMNS, PANEL, told, written

CELL = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "0", "-1", "1e9", "nan", "5050.25", "9" * 40, "2026-11-20  14:30:00.1", "Fills", "\t", "\n"]),
)
VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(list(PANEL.values())),
)


def read(octets: bytes) -> list[Logged]:
    try:
        return list(LogFile(Path("log.txt")).read(BytesIO(octets)))
    except ImportRefused:
        return []


def parsed(octets: bytes) -> OlderState | None:
    try:
        return parse_state(octets, Path("state_SIM_Sim1.json"))
    except ImportRefused:
        return None


@given(st.binary(max_size=400), st.booleans())
def test_random_bytes_are_no_log(octets: bytes, has_header: bool) -> None:
    """U7: random bytes, with a header above them or without, are refused or hold nothing that cannot be meant."""
    for row in read((written([told("+1 @ 5050")]) if has_header else b"") + octets):
        assert row.fill.quantity > 0


@given(st.dictionaries(st.sampled_from(COLUMNS), CELL, max_size=6), st.booleans())
def test_random_cells_in_a_log(cells: dict[str, str], is_short: bool) -> None:
    """U7: random cells in an otherwise good row, and rows cut short."""
    octets = written([{**told("+1 @ 5050"), **cells, "ActivityType": "Fills"}])
    for row in read(octets[: len(octets) // 2] if is_short else octets):
        assert row.fill.quantity > 0
        assert row.fill.price is not None
        assert row.fill.price.is_finite()
        assert row.fill.account
        assert row.fill.symbol


@given(st.binary(max_size=400))
def test_random_bytes_are_no_state_file(octets: bytes) -> None:
    """U6: random bytes are refused."""
    assert parsed(octets) is None or b"entry" in octets or b"heat" in octets


@given(st.dictionaries(st.sampled_from([*PANEL, "mode", "account"]), VALUE, max_size=6))
def test_random_values_in_a_state_file(values: dict[str, Any]) -> None:
    """U6: random values under known keys are refused, or mean something."""
    state = parsed(json.dumps({**PANEL, **values}).encode("utf-8", "surrogatepass"))
    if state is not None and state.signed_quantity is not None:
        assert state.signed_quantity.is_finite()
        assert state.signed_quantity
        assert state.entry_price is None or state.entry_price.is_finite()
