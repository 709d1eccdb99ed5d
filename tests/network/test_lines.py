"""Seeded sessions over lines that misbehave in every way a line can; after each the ledger is the venue's truth."""

from __future__ import annotations

import random
import ssl
from collections import Counter
from pathlib import Path

import pytest

from dtcpos.dtc import Encoding
from tests.network.proxy import CUTS, DOORS, faults_of
from tests.network.scene import Clock, Scene, tls_pair, trading

ENCODINGS = list(Encoding)
LONG_SEEDS = range(1_000, 1_900)


def play(folder: Path, clock: Clock, seed: int, *, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None) -> Scene:
    chance = random.Random(seed)
    return Scene(
        folder / f"{seed}.db",
        clock,
        seed=seed,
        faults=list(faults_of(chance, chance.randint(1, 6))),
        script=trading(chance, chance.randint(0, 20)),
        encoding=ENCODINGS[seed % len(ENCODINGS)],
        tls=tls,
    ).play()


@pytest.mark.parametrize("seed", range(10))
def test_whatever_the_line_does_the_ledger_is_true_when_it_heals(tmp_path: Path, clock: Clock, seed: int) -> None:
    """N1, N3, N11, S3, S5: every fill once, positions the venue's, verified again, and nothing changed by silence."""
    play(tmp_path, clock, seed)


# A client that has gone before the server wraps its socket leaves one behind for the collector (ssl.SSLSocket._create).
LEFT_BEHIND = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@LEFT_BEHIND
@pytest.mark.parametrize("seed", range(20, 22))
def test_the_same_over_tls_with_handshakes_and_records_cut_anywhere(tmp_path: Path, clock: Clock, seed: int) -> None:
    """N3, S5: a handshake that ends in its middle, or never ends, is tried again; half a record is not an end."""
    play(tmp_path, clock, seed, tls=tls_pair())


@LEFT_BEHIND
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_thousands_of_bad_connections(tmp_path: Path, clock: Clock) -> None:
    """N1, N3, N11, S3, S5: the same for hundreds of seeds and thousands of connections; prints what was suffered."""
    suffered: Counter[str] = Counter()
    connections = 0
    for seed in LONG_SEEDS:
        scene = play(tmp_path, clock, seed, tls=tls_pair() if seed % 10 == 0 else None)
        suffered.update(scene.proxy.suffered)
        connections += scene.proxy.connections
        scene.path.unlink()
    assert set(suffered) == {*CUTS, *DOORS}
    print(f"\n{len(LONG_SEEDS)} sessions, {connections} connections, {sum(suffered.values())} faults: {dict(suffered)}")
