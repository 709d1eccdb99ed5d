"""A small coverage-guided fuzzer: inputs that reach a new arc of the code are kept and changed further.

Deterministic: the seed decides every input, a number of inputs and of traced lines bounds the work, no clock is asked.
The arcs are pairs of lines within one function of dtcpos, as `sys.settrace` tells them.
"""

from __future__ import annotations

import random
import struct
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from attrs import field, frozen

import dtcpos
from dtcpos.errors import DtcposError

ROOT = str(Path(dtcpos.__file__).parent)
CORPUS_MAX = 2_000
# One clear line: it may name the value, which is of the input's length at most.
WORDS_MAX = 2_000

_DOUBLES = (
    *(0.0, -0.0, 1.0, -1.0, 0.1, 1e15, -1e15, 1e-12, 5e-324, 1e300, float("inf"), float("-inf"), float("nan")),
    *(
        sys.float_info.max,
        -sys.float_info.max,
        3.4028234663852886e38,
        2.0**53,
        253402300800.0,
        946684800.0,
        4102444800.0,
    ),
)
_INTEGERS = (0, 1, 2, 3, 4, 5, 7, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)
NUMBERS = (
    *(struct.pack("<d", value) for value in _DOUBLES),
    *(struct.pack("<f", value) for value in (0.0, 3.4028234663852886e38, float("nan"), float("inf"), 1e-40)),
    *(value.to_bytes(width, "little") for width in (1, 2, 4, 8) for value in _INTEGERS if value < 1 << 8 * width),
    *((1 << 8 * width - 1).to_bytes(width, "little") for width in (1, 2, 4, 8)),
    *((b"\xff" * width) for width in (1, 2, 4, 8)),
)
TEXT_NUMBERS = (
    *(b"9" * 400, b"9" * 5_000, b"0." + b"3" * 400, b"1" + b"0" * 400),
    *"""
    0 -0 1 -1 0.0 5050.25 1e15 -1e15 1e16 1e-12 1e-13 1e308 1e309 -1e309 1e999999999 1e-999999999 1E400 NaN Infinity
    -Infinity inf nan snan 9999999999999999999999 2147483647 2147483648 -2147483648 4294967295 9223372036854775807
    18446744073709551615 18446744073709551616 1.7976931348623157e308 1_000 ٣ ½ 0x10 +5 .5 5. 118'01 true null
    """.encode().split(),
)


class Stuck(BaseException):
    """More lines ran for one input than any honest input needs."""


@frozen(kw_only=True)
class Target:
    """What is fuzzed: `run` takes an input and returns, or raises a fault that dtcpos reports by name.

    `units` cuts an input into what its language is made of (frames, lines), so that whole ones are moved about;
    `words` are put in as they are.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    units: Callable[[bytes], list[bytes]] = lambda octets: [octets]
    words: Sequence[bytes] = NUMBERS
    size_max: int = 20_000
    lines_max: int = 3_000_000
    octets_max: int = 64 * 1024 * 1024


@frozen(kw_only=True)
class Finding:
    """An input that did what no input may do, and what it did."""

    target: str
    octets: bytes
    what: str
    place: str

    def __str__(self) -> str:
        return f"{self.target}: {self.what} at {self.place} of {self.octets[:300]!r} ({len(self.octets)} bytes)"


@frozen(kw_only=True)
class Tally:
    """What a run came to."""

    target: str
    inputs: int
    arcs: int
    corpus: int
    findings: dict[tuple[str, str], Finding] = field(factory=dict)

    def __str__(self) -> str:
        counts = f"{self.inputs} inputs, {self.arcs} arcs, corpus {self.corpus}, {len(self.findings)} findings"
        return f"{self.target}: {counts}"


class Tracer:
    """Collects the arcs of dtcpos's own lines while a function runs, and stops what does not end."""

    def __init__(self, lines_max: int) -> None:
        self.arcs: set[tuple[CodeType, int, int]] = set()
        self._lines_max = lines_max
        self.lines = 0
        self._ours: dict[CodeType, bool] = {}

    def run(self, what: Callable[[], None]) -> None:
        before = sys.gettrace()
        self.lines = 0
        sys.settrace(self._enter)
        try:
            what()
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        code = frame.f_code
        is_ours = self._ours.get(code)
        if is_ours is None:
            is_ours = self._ours[code] = code.co_filename.startswith(ROOT)
        if not is_ours:
            return None
        last = -1
        arcs = self.arcs

        def local(inner: FrameType, event: str, _argument: Any) -> Any:
            nonlocal last
            if event == "line":
                line = inner.f_lineno
                arcs.add((code, last, line))
                last = line
                self.lines += 1
                if self.lines > self._lines_max:
                    sys.settrace(None)
                    raise Stuck(f"more than {self._lines_max} lines")
            return local

        return local


def fuzz(target: Target, *, seed: int, inputs: int) -> Tally:
    """Run the seeds and so many inputs made of them; what went wrong is in the tally, once for each place."""
    chance = random.Random(f"{target.name} {seed}")
    tracer = Tracer(target.lines_max)
    corpus: list[bytes] = []
    findings: dict[tuple[str, str], Finding] = {}
    tried = 0
    for octets in _inputs(target, chance, corpus, inputs):
        tried += 1
        before = len(tracer.arcs)
        finding = _tried(target, octets, tracer)
        if finding is not None:
            findings.setdefault((finding.what.partition(":")[0], finding.place), finding)
        elif len(tracer.arcs) > before or tried <= len(target.seeds):
            # Measured where something new happens only: to trace every allocation costs more than all the rest.
            finding = _weighed(target, octets)
            if finding is not None:
                findings.setdefault((finding.what.partition(":")[0], finding.place), finding)
            corpus.append(octets)
            if len(corpus) > CORPUS_MAX:
                del corpus[chance.randrange(len(target.seeds), len(corpus))]
    return Tally(target=target.name, inputs=tried, arcs=len(tracer.arcs), corpus=len(corpus), findings=findings)


def _inputs(target: Target, chance: random.Random, corpus: list[bytes], count: int) -> Iterator[bytes]:
    yield from target.seeds
    for _ in range(count):
        yield changed(target, chance, corpus or list(target.seeds))


def _tried(target: Target, octets: bytes, tracer: Tracer) -> Finding | None:
    try:
        tracer.run(lambda: target.run(octets))
    except DtcposError as error:
        words = str(error)
        if not words or len(words) > WORDS_MAX + 6 * len(octets):
            return Finding(target=target.name, octets=octets, what=f"long words: {len(words)}", place=_place(error))
    except (Exception, Stuck) as error:  # noqa: BLE001 - whatever it is, it is a finding
        return Finding(target=target.name, octets=octets, what=f"{type(error).__name__}: {error}", place=_place(error))
    return None


def _weighed(target: Target, octets: bytes) -> Finding | None:
    tracemalloc.start()
    try:
        target.run(octets)
    except DtcposError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    if peak <= target.octets_max:
        return None
    return Finding(target=target.name, octets=octets, what=f"memory: {peak} bytes", place="")


def _place(error: BaseException) -> str:
    """Return the innermost line of dtcpos, or of a test's own check where it was that."""
    place, trace = "", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name.startswith(ROOT) or (isinstance(error, AssertionError) and "tests" in name):
            place = f"{name.removeprefix(ROOT)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def changed(target: Target, chance: random.Random, corpus: Sequence[bytes]) -> bytes:
    """Return an input made of one or two of the corpus by a few changes."""
    parent = corpus[-1 - min(int(chance.expovariate(0.05)), len(corpus) - 1)] if chance.random() < 0.5 else None
    units = target.units(parent if parent is not None else chance.choice(corpus)) or [b""]
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        at = chance.randrange(len(units))
        if chance.random() < 0.3:
            _move(target, chance, corpus, units, at)
            units = units or [b""]
        else:
            units[at] = _bent(target, chance, units[at])
    return b"".join(units)[: target.size_max]


def _move(target: Target, chance: random.Random, corpus: Sequence[bytes], units: list[bytes], at: int) -> None:
    match chance.randrange(5):
        case 0:
            del units[at]
        case 1:
            units[at:at] = [units[at]] * chance.choice((1, 1, 2, 30))
        case 2:
            other = chance.randrange(len(units))
            units[at], units[other] = units[other], units[at]
        case 3:
            others = target.units(chance.choice(corpus))
            if others:
                first = chance.randrange(len(others))
                units[at:at] = others[first : first + chance.choice((1, 1, 3, 20))]
        case 4:
            others = target.units(chance.choice(corpus))
            units[at:] = others[chance.randrange(len(others)) :] if others else []


def _bent(target: Target, chance: random.Random, unit: bytes) -> bytes:
    octets = bytearray(unit)
    at = chance.randrange(len(octets) + 1)
    match chance.randrange(10):
        case 0 if octets:
            octets[min(at, len(octets) - 1)] ^= 1 << chance.randrange(8)
        case 1 if octets:
            octets[min(at, len(octets) - 1)] = chance.randrange(256)
        case 2:
            word = chance.choice(NUMBERS)
            at -= at % len(word)
            octets[at : at + len(word)] = word
        case 3:
            word = chance.choice(target.words)
            octets[at : at + len(word)] = word
        case 4:
            octets[at:at] = chance.choice(target.words)
        case 5:
            octets[at : at + chance.choice((1, 2, 4, 8, 40))] = chance.choice(target.words)
        case 6:
            del octets[at : at + chance.choice((1, 1, 2, 8, 100))]
        case 7:
            octets[at:at] = octets[at : at + chance.choice((1, 4, 30))] * chance.choice((1, 2, 60))
        case 8:
            del octets[at:]
        case 9:
            return chance.choice(target.words)
    return bytes(octets)
