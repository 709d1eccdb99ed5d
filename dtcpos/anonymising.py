"""Make a captured session fit to be shown to others: who, whose and in whose words is taken out, the trading stays.

Invariants:
1. A text field goes out as it is only if it is in `_KEPT`; every other text is replaced whole, whatever it says.
2. The same text becomes the same pseudonym in every message, encoding and field.
3. What is written is made of known fields alone: what cannot be read, what is unknown, the holes of structs and the
   bytes behind a text's end are not copied.
4. No pseudonym has an original of three characters or more inside.
5. Pseudonyms sort as their originals do, so that a replay books in the same order; an account by whose name it is SIM
   gets a name by which it is.

Pure: two walks over the same frames, the first to learn the names, the second to replace them.
"""

from __future__ import annotations

import re
import struct
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

from attrs import define, field

from dtcpos.booking.order import natural
from dtcpos.dtc import Encoding, Frame, Message, encode
from dtcpos.dtc.fields import Text
from dtcpos.dtc.hiding import SECRET_SIZE_MIN
from dtcpos.dtc.message import HEADER_SIZE
from dtcpos.model import Mode
from dtcpos.translate import mode_of


class Sort(StrEnum):
    """What a text names, and the word of its pseudonym; where one text is several, the first of these."""

    ACCOUNT = "ACCOUNT"
    USER = "USER"
    PASSWORD = "PASSWORD"
    CLIENT = "CLIENT"
    ORDER = "ORDER"
    EXECUTION = "EXECUTION"
    POSITION = "POSITION"
    MAIL = "MAIL"
    HOST = "HOST"
    SENDER = "SENDER"
    HARDWARE = "HARDWARE"
    BROKER = "BROKER"
    SERVER = "SERVER"
    TEXT = "TEXT"


_SORTS: Final[dict[str, Sort]] = {
    "TradeAccount": Sort.ACCOUNT,
    "Username": Sort.USER,
    "Password": Sort.PASSWORD,
    "ClientName": Sort.CLIENT,
    "LastFillExecutionID": Sort.EXECUTION,
    "UniqueExecutionID": Sort.EXECUTION,
    "PositionIdentifier": Sort.POSITION,
    "ReconnectAddress": Sort.HOST,
    "SenderSubID": Sort.SENDER,
    "HardwareIdentifier": Sort.HARDWARE,
    "IntroducingBroker": Sort.BROKER,
    "ServerName": Sort.SERVER,
    **dict.fromkeys(
        (
            *("ServerOrderID", "ClientOrderID", "PreviousServerOrderID", "PreviousClientOrderID", "ExchangeOrderID"),
            *("ParentServerOrderID", "OCOLinkedOrderServerOrderID", "ParentTriggerClientOrderID"),
            *("ClientOrderID_1", "ClientOrderID_2"),
        ),
        Sort.ORDER,
    ),
}
# What is traded and in which words the protocol speaks: everybody's.
_KEPT: Final = frozenset(
    "Symbol Exchange ExchangeSymbol UnderlyingSymbol ProductIdentifier Currency AccountCurrency ProtocolType "
    "SymbolExchangeDelimiter Price1AsString Price2AsString Price1_1AsString Price2_1AsString Price1_2AsString "
    "Price2_2AsString".split()
)
_KEPT_IN: Final = {507: frozenset({"Description"}), 510: frozenset({"Description"})}
# In texts that are kept these are replaced where they stand as words.
_NAMES: Final = (Sort.ACCOUNT, Sort.USER, Sort.PASSWORD, Sort.CLIENT, Sort.MAIL, Sort.HOST)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_HOST = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b")
_WORD = re.compile(r"[^\s,;:()\[\]{}<>\"'=/|]+")
# The smallest fields for an id and for a text of one's own have 32 and 48 bytes.
_ID_SIZE_MAX, _TEXT_SIZE_MAX = 31, 47
# No honest id is longer, and a number of more digits than this cannot be read as one.
_COMPARED_MAX: Final = 1024
# Any of these makes an account SIM by its name; which, depends on what the originals have inside.
_SIM_WORDS: Final = ("SIM", "DEMO", "PAPER", "sIm", "dEmO", "pApEr", "SiM", "DeMo")
_BASE_SIZE = struct.Struct("<H")
_STRING = struct.Struct("<HH")


@define
class Tally:
    """What became of the messages of a capture."""

    messages: int = 0
    replaced: Counter[Sort] = field(factory=Counter)
    blanked: Counter[int] = field(factory=Counter)
    dropped: int = 0


class Pseudonyms:
    """What stands for whom, learned from every message of a capture before the first is replaced."""

    def __init__(self) -> None:
        self._seen: dict[Sort, set[str]] = defaultdict(set)
        self._names: dict[str, str] = {}
        self._secrets: frozenset[str] = frozenset()
        self._within: re.Pattern[str] | None = None
        self._numbers: Counter[str] = Counter()
        self.counts: Counter[Sort] = Counter()

    def learn(self, message: Message) -> None:
        """Note every text of a message that is to be replaced."""
        for each in message.fields:
            if not each.is_text or not (text := getattr(message, each.name)):
                continue
            if not is_kept(message, each.name):
                self._seen[_SORTS.get(each.name, Sort.TEXT)].add(text)
            self._seen[Sort.MAIL].update(_MAIL.findall(text))
            self._seen[Sort.HOST].update(_HOST.findall(text))

    def settle(self) -> None:
        """Give every text that was learned its pseudonym."""
        self._secrets = frozenset(
            text for texts in self._seen.values() for text in texts if len(text) >= SECRET_SIZE_MIN
        )
        of_sort: dict[Sort, list[str]] = {}
        for sort in Sort:
            of_sort[sort] = fresh = sorted(self._seen[sort] - self._names.keys(), key=_sorted_by)
            self.counts[sort] = len(fresh)
            for text in fresh:
                self._names[text] = self._numbered(self._word(sort, text))
        names = sorted((text for sort in _NAMES for text in self._seen[sort] & self._secrets), key=len, reverse=True)
        if names:
            self._within = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)")
        for sort in (Sort.ORDER, Sort.EXECUTION, Sort.POSITION, Sort.TEXT):
            for text in of_sort[sort]:
                self._names[text] = self._with_others(text, sort)

    def of(self, text: str) -> str:
        """Return the pseudonym of a text that was learned; the empty text stays empty."""
        return self._names[text] if text else ""

    def kept(self, text: str) -> str:
        """Return a text that is kept, with the names inside it replaced."""
        return text if self._within is None else self._within.sub(lambda match: self._plain(match[0]), text)

    def _word(self, sort: Sort, text: str) -> str:
        if sort is Sort.ACCOUNT and mode_of(text, {})[0] == Mode.SIM:
            words = [f"{word}{rest}" for rest in (f"-{sort}-", "#") for word in _SIM_WORDS]
            return next((word for word in words if not self._betrays(word)), words[-1])
        return "#" if self._betrays(f"{sort}-") else f"{sort}-"

    def _numbered(self, word: str) -> str:
        while True:
            self._numbers[word] += 1
            name = f"{word}{self._numbers[word]}"
            if self._betrays(word) or not self._betrays(name):
                return name

    def _betrays(self, name: str) -> bool:
        """Return whether an original is inside a pseudonym."""
        size = len(name)
        return any(
            name[start:end] in self._secrets
            for start in range(size)
            for end in range(start + SECRET_SIZE_MIN, size + 1)
        )

    def _plain(self, text: str) -> str:
        return self._names[text].partition("/")[0].partition(" ")[0]

    def _with_others(self, text: str, sort: Sort) -> str:
        """Return the pseudonym of a text with those of the names and ids that stand inside it."""
        name = self._plain(text)
        inside = [match[0] for match in self._within.finditer(text)] if self._within is not None else []
        inside += [word for word in _words(text) if word in self._secrets]
        separator, size_max = (" ", _TEXT_SIZE_MAX) if sort is Sort.TEXT else ("/", _ID_SIZE_MAX)
        for other in dict.fromkeys(self._plain(found) for found in inside if found != text):
            longer = f"{name}{separator}{other}"
            if len(longer) <= size_max and not self._betrays(longer):
                name = longer
        return name


def _sorted_by(text: str) -> tuple[object, str]:
    return natural(text[:_COMPARED_MAX]), text


def _words(text: str) -> Iterator[str]:
    """Yield the words of a text, and the parts of words that are joined by dots, dashes and the like."""
    for word in _WORD.findall(text):
        yield word
        parts = re.split(r"([-_.#+]+)", word)
        for place in range(2, len(parts), 2):
            # An order's id is mostly the beginning of those made from it.
            yield "".join(parts[: place - 1])
        yield from parts[::2]
        yield word.rstrip(".!?")


def is_kept(message: Message, name: str) -> bool:
    """Return whether a text field goes out as it is."""
    return name in _KEPT or name in _KEPT_IN.get(message.type, ())


def learned(frames: Iterable[Frame]) -> Pseudonyms:
    """Walk over a capture and return who is who in it."""
    names = Pseudonyms()
    for frame in frames:
        if frame.message is not None:
            names.learn(frame.message)
    names.settle()
    return names


def anonymised(frames: Iterable[Frame], names: Pseudonyms, tally: Tally) -> Iterator[tuple[Frame, Message | None]]:
    """Yield every frame with its message told by pseudonyms, None where the type is unknown.

    Frames whose content cannot be read are left out, and counted in `tally`.
    """
    tally.replaced = names.counts
    for frame in frames:
        tally.messages += 1
        if frame.fault:
            tally.dropped += 1
            continue
        if frame.message is None:
            assert frame.type is not None
            tally.blanked[frame.type] += 1
            yield frame, None
            continue
        yield frame, _renamed(frame.message, names)


def _renamed(message: Message, names: Pseudonyms) -> Message:
    return message.with_texts(lambda each, text: names.kept(text) if is_kept(message, each.name) else names.of(text))


def octets_of(frame: Frame, message: Message | None) -> bytes:
    """Write a frame anew in its own encoding, no longer than it was in a binary one; blank where nothing is known."""
    if frame.encoding.is_text:
        return b'{"Type":%d}\0' % (frame.type or 0) if message is None else encode(message, frame.encoding)
    size = len(frame.octets)
    if message is None:
        return frame.octets[:HEADER_SIZE] + bytes(size - HEADER_SIZE)
    if frame.encoding is Encoding.VLS and message.vls is not None:
        return _shortened_vls(encode(message, frame.encoding), message, _BASE_SIZE.unpack_from(frame.octets, 4)[0])
    written = encode(_fitted(message), Encoding.BINARY)
    # An older server sends less, and what it did not send has to stay unsent.
    return written if size >= len(written) else size.to_bytes(2, "little") + written[2:size]


def _fitted(message: Message) -> Message:
    """Return the message with its texts cut to their fields of the fixed struct."""
    return message.with_texts(lambda each, text: text[: each.length] if isinstance(each, Text) else text)


def _shortened_vls(written: bytes, message: Message, base_size: int) -> bytes:
    layout = message.vls
    assert layout is not None
    if base_size >= layout.size:
        return written
    short = bytearray(written[:base_size] + written[layout.size :])
    short[:2] = _BASE_SIZE.pack(len(short))
    short[4:6] = _BASE_SIZE.pack(base_size)
    for each in layout.fields[: layout.present(base_size)]:
        assert each.vls is not None
        if each.is_text and (place := _STRING.unpack_from(short, each.vls))[0]:
            _STRING.pack_into(short, each.vls, place[0] - (layout.size - base_size), place[1])
    return bytes(short)
