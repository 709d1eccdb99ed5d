"""Every dialogue played whole: in every encoding, byte by byte, cut anywhere, and started again and again."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import pytest

from dtcpos.dtc import CLIENT_MAY_SEND, Encoding
from dtcpos.dtc.codec import decode
from dtcpos.sim import Dialogue, demo_dialogue, read_dialogue
from tests.outcome import assert_true, outcome_of, prove
from tests.pair import Pair, bytewise, frame_ends

FOLDER = Path(__file__).parents[2] / "fixtures" / "dialogues"
NAMES = ["demo", *sorted(path.stem for path in FOLDER.glob("*.txt"))]
# Without history what was lost with the line cannot be had again, and nobody may invent it.
WITH_HISTORY = [name for name in NAMES if name != "refusals"]
# Where the dialogue itself breaks lines and starves requests, a further cut changes what the server does next.
STEADY = [name for name in WITH_HISTORY if name != "stumbles"]
# Positions from before the history window, and restatements, are no executions.
TRUE = [name for name in WITH_HISTORY if name != "carried"]
# A prime, so that the cuts fall at every place of the frames, whose sizes are multiples of 8.
STRIDE = 487


def dialogue(name: str) -> Dialogue:
    return demo_dialogue() if name == "demo" else read_dialogue(FOLDER / f"{name}.txt")


def played(name: str, **options: object) -> Pair:
    return Pair(dialogue(name), request_timeout_s=1.0, **options).play()


@cache
def clean(name: str) -> Pair:
    return played(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_ledger_is_the_replay_of_its_fills(name: str) -> None:
    """P2: positions and trades are what the fills come to, and the cash adds up with `==`."""
    prove(clean(name).repository)


@pytest.mark.parametrize("name", TRUE)
def test_the_ledger_tells_the_venues_truth(name: str) -> None:
    """N1: whatever happens on the way, every execution is booked exactly once and every position is the venue's."""
    pair = clean(name)
    assert_true(pair.repository, pair.performance.venue)
    assert pair.repository.open_breaks() == []


@pytest.mark.parametrize("encoding", Encoding, ids=lambda encoding: encoding.word)
@pytest.mark.parametrize("name", NAMES)
def test_every_encoding_gives_the_same_ledger(name: str, encoding: Encoding) -> None:
    """S1: fills, sightings, positions, trades and what was told are the same, whole or byte by byte."""
    expected = clean(name)
    for split in (None, bytewise):
        pair = played(name, encoding=encoding, split=split)
        assert outcome_of(pair.repository) == outcome_of(expected.repository)
        assert pair.sightings() == expected.sightings()
        assert pair.positions() == expected.positions()
        assert pair.trades() == expected.trades()
        assert pair.told_fills() == expected.told_fills()
        if name != "stumbles":
            # There the bytes of a cut frame are not the same in every encoding.
            assert pair.repository.content_hash() == expected.repository.content_hash()
            assert pair.causes() == expected.causes()


@pytest.mark.parametrize("name", STEADY)
def test_a_line_lost_after_any_message_changes_nothing_in_the_end(name: str) -> None:
    """N2, N3, N11, S1: the next session finds what was missed, and nothing twice."""
    expected = outcome_of(clean(name).repository, ids=name != "restated")
    begin = 0
    for heard in clean(name).heard:
        for end in frame_ends(heard, Encoding.BINARY):
            cut(name, begin + end, Encoding.BINARY, expected)
        begin += len(heard)


@pytest.mark.parametrize("encoding", Encoding, ids=lambda encoding: encoding.word)
@pytest.mark.parametrize("name", ["demo", "away", "modes", "restated", "scaled"])
def test_a_line_lost_inside_a_message_changes_nothing_in_the_end(name: str, encoding: Encoding) -> None:
    """N2, N3, N11, S1: half a frame is no message, in any encoding."""
    expected = outcome_of(clean(name).repository, ids=name != "restated")
    size = sum(map(len, played(name, encoding=encoding).heard))
    for at in range(1, size, STRIDE):
        cut(name, at, encoding, expected)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("encoding", Encoding, ids=lambda encoding: encoding.word)
@pytest.mark.parametrize("name", STEADY)
def test_a_line_lost_at_very_many_bytes_changes_nothing_in_the_end(name: str, encoding: Encoding) -> None:
    """N2, N3, N11, S1: thousands of bytes of every dialogue, in every encoding."""
    expected = outcome_of(clean(name).repository, ids=name != "restated")
    size = sum(map(len, played(name, encoding=encoding).heard))
    for at in range(1, size, 41):
        cut(name, at, encoding, expected)


def cut(name: str, at: int, encoding: Encoding, expected: object) -> None:
    pair = played(name, encoding=encoding, cut_at=at)
    prove(pair.repository)
    # Which of two names of an execution comes first depends on where it was heard first.
    assert outcome_of(pair.repository, ids=name != "restated") == expected, f"cut at byte {at}"
    assert pair.repository.open_breaks() == [], f"cut at byte {at}"


# The demo's server closes for good at its end.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "demo"])
def test_ten_restarts_change_nothing(name: str) -> None:
    """N2: against the same server state the fills, positions, trades and the content hash stay as they are."""
    pair = played(name)
    # What was told live only is sighted in history once.
    pair.crash().settle()
    expected = pair.repository.content_hash()
    outcome, told, journal = outcome_of(pair.repository), len(pair.told_fills()), len(pair.causes())
    for _ in range(10):
        pair.crash().settle()
        assert pair.repository.content_hash() == expected
    assert outcome_of(pair.repository) == outcome
    assert len(pair.told_fills()) == told
    assert len(pair.causes()) == journal


def test_the_client_sends_only_what_a_listener_may() -> None:
    """S6: over every dialogue and encoding, no type outside the list, and every type on it that a session needs."""
    types = set()
    for name, encoding in itertools.product(NAMES, Encoding):
        for sent in played(name, encoding=encoding, heartbeat_interval_s=2).sent:
            types |= types_of(bytes(sent), encoding)
    assert types <= CLIENT_MAY_SEND
    assert types == {1, 3, 5, 6, 101, 300, 303, 305, 400, 506}


def types_of(octets: bytes, encoding: Encoding) -> set[int]:
    types = set()
    begin = 0
    for end in frame_ends(octets, encoding):
        message = decode(octets[begin:end], encoding if begin else Encoding.BINARY)
        assert message is not None
        types.add(message.type)
        begin = end
    assert begin == len(octets)
    return types
