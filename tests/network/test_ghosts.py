"""Frames of an old connection that arrive on a new one: a broken box in between, for TCP itself does not do that."""

from __future__ import annotations

import random

import pytest

from dtcpos.dtc import Encoding
from dtcpos.model import Source
from dtcpos.updates import FillUpdate
from tests.fuzz.units import assert_sound
from tests.network.scene import TERMS, trading
from tests.outcome import assert_true
from tests.pair import Pair, fills_of, frame_ends

# The answers to the encoding request and to the logon belong to the beginning of a session.
GREETING = 2


def haunt(seed: int) -> None:
    chance = random.Random(seed)
    encoding = list(Encoding)[seed % 4]
    pair = Pair("", terms=TERMS, encoding=encoding).connect().settle()
    for _ in range(chance.randint(1, 3)):
        pair.perform(*trading(chance, 6)).settle()
        old = bytes(pair.heard[-1])
        ends = frame_ends(old, encoding)
        pair.lose()
        pair.connect()
        if chance.random() < 0.7:
            pair.settle()
        pair.perform(*trading(chance, 3))
        for _ in range(chance.randint(1, 4)):
            first = chance.randrange(GREETING, len(ends))
            last = chance.randrange(first, len(ends))
            pair.feed(old[ends[first - 1] : ends[last]])
            pair.perform(*trading(chance, 1))
        if pair.is_down:
            pair.session = None
            pair.connect()
        pair.settle()
    # Whatever the ghosts said of positions, the next session in order says what is true.
    pair.reconnect().settle()
    assert_true(pair.repository, pair.performance.venue)
    assert Source.ADJUSTMENT not in {fill.source for fill in fills_of(pair.repository)}
    announced = [update.fill.id for update in pair.told_of(FillUpdate)]
    assert len(announced) == len(set(announced))
    assert not pair.repository.open_breaks()
    assert_sound(pair.repository)


@pytest.mark.parametrize("seed", range(8))
def test_frames_of_an_old_connection_change_nothing_for_good(seed: int) -> None:
    """N1, N3, N12: old executions are known, old positions are no input, old answers answer nothing."""
    haunt(seed)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_very_many_ghosts() -> None:
    """N1, N3, N12: the same for six hundred seeds."""
    for seed in range(1_000, 1_600):
        haunt(seed)
