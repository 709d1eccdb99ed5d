"""Every door is fuzzed: the default form briefly and always the same way, the long form for minutes."""

from __future__ import annotations

import pytest

from tests.fuzz.engine import fuzz
from tests.fuzz.targets import targets

TARGETS = targets()
# So many that each takes about half a second on a slow core.
BRIEF = dict.fromkeys(TARGETS, 300) | {
    **{name: 12 for name in TARGETS if name.startswith("session")},
    **dict.fromkeys(("venue", "import-log", "import-state"), 30),
    "values": 100,
}
LONG = dict.fromkeys(TARGETS, 20_000) | {
    **{name: 600 for name in TARGETS if name.startswith("session")},
    **dict.fromkeys(("venue", "import-log", "import-state"), 2_000),
}


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_does_worse_than_be_refused(name: str) -> None:
    """S5, U4, U6, U7: a value, a counted skip or a fault with one clear line; in bounded time and memory."""
    tally = fuzz(TARGETS[name], seed=1, inputs=BRIEF[name])
    assert not tally.findings, "\n".join(map(str, tally.findings.values()))


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_of_very_many_does_worse(name: str) -> None:
    """S5: the same with another seed and far more inputs; prints inputs tried, distinct arcs covered and findings."""
    tally = fuzz(TARGETS[name], seed=2, inputs=LONG[name])
    print(f"\n{tally}")
    assert not tally.findings, "\n".join(map(str, tally.findings.values()))
