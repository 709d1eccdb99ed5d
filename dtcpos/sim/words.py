"""One line of a dialogue as words, taken from the left, with errors that say where and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import NoReturn, TypeVar

from dtcpos.errors import UsageError
from dtcpos.exact import is_plain
from dtcpos.model import Side

T = TypeVar("T")

# Most texts of the protocol have 64 bytes, the last of them NUL.
TEXT_SIZE_MAX = 63

_WORD = re.compile(r'"([^"]*)"|(\S+)')
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Words:
    """The words of one line; every method takes what it names or raises UsageError."""

    def __init__(self, text: str, *, place: str) -> None:
        self.text = text.strip()
        self.place = place
        self._words: list[str] = []
        # A comment begins only where a word could: symbols and messages may have a # inside.
        for match in _WORD.finditer(text):
            if match[2] is not None and match[2].startswith("#"):
                break
            self._words.append(match[1] if match[1] is not None else match[2])
        self._next = 0

    def __bool__(self) -> bool:
        return self._next < len(self._words)

    def fail(self, what: str, remedy: str) -> NoReturn:
        """Raise UsageError with the place, what is wrong, the line and the remedy."""
        raise UsageError(f"{self.place}: {what} in {self.text!r}: {remedy}")

    def word(self, what: str, *, size_max: int = TEXT_SIZE_MAX) -> str:
        """Take the next word, whatever it is, if it fits its field."""
        if not self:
            self.fail(f"{what} is missing", f"add {what} at the end of the line")
        self._next += 1
        return self._fitting(what, self._words[self._next - 1], size_max)

    def follows(self, word: str) -> bool:
        """Take the word if it is the next one; say whether it was."""
        if self and self._words[self._next] == word:
            self._next += 1
            return True
        return False

    def expect(self, word: str) -> None:
        """Take exactly this word."""
        if not self.follows(word):
            found = repr(self._words[self._next]) if self else "the end of the line"
            self.fail(f"{found} where {word!r} was expected", f"write {word!r} there")

    def rest(self, what: str, *, size_max: int) -> str:
        """Take everything that is left as one text, if it fits its field."""
        if not self:
            self.fail(f"{what} is missing", f"add {what} at the end of the line")
        text = " ".join(self._words[self._next :])
        self._next = len(self._words)
        return self._fitting(what, text, size_max)

    def _fitting(self, what: str, text: str, size_max: int) -> str:
        # DTC text is 8-bit and its arrays are of fixed size: a longer text would be cut on the wire and match nothing.
        if len(text) > size_max or not all(character < "\u0100" for character in text):
            self.fail(f"{what} {text!r} does not fit", f"write at most {size_max} characters, all of them Latin-1")
        return text

    def end(self) -> None:
        """Refuse words that nobody asked for."""
        if self:
            self.fail(f"unknown word {self._words[self._next]!r}", "leave it out or see `dtcpos simulate --help`")

    def choice(self, what: str, choices: Mapping[str, T]) -> T:
        """Take one of the given words and return what it stands for."""
        word = self.word(what)
        if word not in choices:
            self.fail(f"{word!r} is no {what}", f"write one of {', '.join(choices)}")
        return choices[word]

    def side(self) -> Side:
        """Take BUY or SELL."""
        return self.choice("side", {"BUY": Side.BUY, "SELL": Side.SELL})

    def decimal(self, what: str) -> Decimal:
        """Take a finite number."""
        word = self.word(what)
        try:
            number = Decimal(word)
        except InvalidOperation:
            number = Decimal("NaN")
        if not is_plain(number):
            self.fail(f"{word!r} is no {what}", "write a decimal number such as 5050.25")
        return number

    def positive(self, what: str) -> Decimal:
        """Take a number above zero."""
        number = self.decimal(what)
        if number <= 0:
            self.fail(f"{what} {number} is not above zero", "write a positive number; the side is BUY or SELL")
        return number

    def price(self) -> Decimal:
        """Take `@ PRICE`."""
        self.expect("@")
        return self.decimal("price")

    def count(self, what: str) -> int:
        """Take a whole number, zero or more."""
        word = self.word(what)
        if not word.isdecimal():
            self.fail(f"{word!r} is no {what}", "write a whole number such as 3")
        return int(word)

    def seconds(self, what: str) -> float:
        """Take a duration: a number of seconds, or one with ms, s, m, h or d behind it."""
        word = self.word(what)
        match = _DURATION.fullmatch(word) or _DURATION.fullmatch(word + "s")
        if match is None:
            self.fail(f"{word!r} is no {what}", "write seconds such as 0.5, or 20ms, 30m, 2h, 3d")
        return float(match[1]) * _SECONDS[match[2]]

    def moment(self) -> float:
        """Take an ISO-8601 time, UTC where it names no zone, as Unix seconds."""
        word = self.word("time")
        try:
            moment = datetime.fromisoformat(word)
        except ValueError:
            self.fail(f"{word!r} is no time", "write it as 2026-11-20T14:30:01.250")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

    def octets(self, what: str) -> bytes:
        """Take bytes written in hexadecimal."""
        text = self.rest(what, size_max=1 << 20)
        try:
            return bytes.fromhex(text)
        except ValueError:
            self.fail(f"{text!r} is no {what}", "write pairs of hexadecimal digits such as 0100ff")
