"""The base of all messages: an immutable row of raw values, read through named fields.

Invariants:
1. `_raw` holds one value per field of the table, in the order of the fixed struct.
2. A message never changes; equality, hash and repr go by what its fields read as.
3. `absent` names the fields the sender did not send; their raw value is the constructor's default.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from struct import Struct
from typing import Any, ClassVar, Self

from dtcpos.dtc.fields import Field

HEADER_SIZE = 4
VLS_HEADER_SIZE = 6
_NONE_ABSENT: frozenset[str] = frozenset()
SECRET_FIELDS = frozenset({"Password"})


class Layout:
    """Where the fields of one message lie in one of its two structs.

    `unpack_from` reads every field of a whole message at once; `prefix` gives the same for a sender whose struct ends
    earlier. Both expect the position of the first byte of the message.
    """

    __slots__ = ("ends", "fields", "is_vls", "pack", "size", "unpack_from", "whole_size")

    def __init__(self, fields: list[Field[Any]], *, size: int, is_vls: bool) -> None:
        self.is_vls = is_vls
        self.size = size
        self.fields = sorted(fields, key=self._offset)
        self.ends = [self._offset(field) + self._width(field) for field in self.fields]
        self.whole_size = self.ends[-1] if self.ends else HEADER_SIZE
        self.unpack_from = Struct(self._format(len(self.fields))).unpack_from
        tail = size - self.whole_size
        assert tail >= 0, (size, self.ends)
        header = "<HHH" if is_vls else "<HH"
        body = self._format(len(self.fields)).removeprefix(f"<{VLS_HEADER_SIZE if is_vls else HEADER_SIZE}x")
        packer = Struct(f"{header}{body}{tail}x")
        assert packer.size == size, (packer.size, size)
        self.pack = packer.pack

    def present(self, size: int) -> int:
        """Count the fields that lie wholly within the first `size` bytes."""
        return bisect_right(self.ends, size)

    def prefix(self, count: int) -> Struct:
        """Return the struct of the first `count` fields."""
        return _struct(self._format(count))

    def _offset(self, field: Field[Any]) -> int:
        offset = field.vls if self.is_vls else field.at
        assert offset is not None
        return offset

    def _width(self, field: Field[Any]) -> int:
        return 4 if self.is_vls and field.is_text else field.width

    def _format(self, count: int) -> str:
        position = VLS_HEADER_SIZE if self.is_vls else HEADER_SIZE
        parts = [f"<{position}x"]
        for field, end in zip(self.fields[:count], self.ends, strict=False):
            if gap := self._offset(field) - position:
                assert gap > 0, (field.name, gap)
                parts.append(f"{gap}x")
            parts.append("HH" if self.is_vls and field.is_text else field.code)
            position = end
        return "".join(parts)


# Short frames are of a few lengths only, one per release of the header; a hostile sender may use all of them.
@lru_cache(maxsize=256)
def _struct(text: str) -> Struct:
    return Struct(text)


class _MessageType(type):
    """Gives every message class empty slots, so that a message is two pointers and cannot grow attributes."""

    def __new__(
        cls, class_name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **options: Any
    ) -> _MessageType:
        namespace.setdefault("__slots__", ())
        return super().__new__(cls, class_name, bases, namespace, **options)

    def __init__(cls, class_name: str, bases: tuple[type, ...], namespace: dict[str, Any], /, **options: Any) -> None:
        super().__init__(class_name, bases, namespace)


class Message(metaclass=_MessageType):
    """A DTC message; the subclass's table of fields drives every encoding.

    Construct with keywords in the wire's own names; what is left out is the official constructor's default. Unset
    numbers read as None. Raises TypeError for an unknown name or a value of the wrong kind.
    """

    __slots__ = ("_raw", "absent")

    type: ClassVar[int]
    name: ClassVar[str]
    size: ClassVar[int]
    vls_size: ClassVar[int]
    is_compact: ClassVar[bool]
    fields: ClassVar[tuple[Field[Any], ...]]
    field_by_name: ClassVar[dict[str, Field[Any]]]
    defaults: ClassVar[tuple[Any, ...]]
    fixed: ClassVar[Layout]
    vls: ClassVar[Layout | None]
    not_in_fixed: ClassVar[frozenset[str]]

    _raw: tuple[Any, ...]
    absent: frozenset[str]

    # A class line should read `type=301`, as the documentation does.
    def __init_subclass__(
        cls,
        *,
        type: int,  # noqa: A002
        name: str,
        size: int,
        vls_size: int = 0,
        compact: bool = False,
    ) -> None:
        super().__init_subclass__()
        fields = [field for field in cls.__dict__.values() if isinstance(field, Field)]
        # The fixed struct's order is the table's; what only the other struct has goes last.
        fields.sort(key=lambda field: field.at is None)
        for index, (field_name, field) in enumerate((_name_of(cls, field), field) for field in fields):
            field.name, field.index = field_name, index
            setattr(cls, field_name, property(field.getter()))
        cls.type, cls.name, cls.size, cls.vls_size, cls.is_compact = type, name, size, vls_size, compact
        cls.fields = tuple(fields)
        cls.field_by_name = {field.name: field for field in fields}
        cls.defaults = tuple(field.default for field in fields)
        cls.fixed = Layout([field for field in fields if field.at is not None], size=size, is_vls=False)
        cls.not_in_fixed = frozenset(field.name for field in fields if field.at is None)
        cls.vls = Layout(fields, size=vls_size, is_vls=True) if vls_size else None

    def __init__(self, **values: Any) -> None:
        raw = list(self.defaults)
        table = self.field_by_name
        for name, value in values.items():
            field = table.get(name)
            if field is None:
                raise TypeError(f"{type(self).__name__} has no field {name!r}")
            raw[field.index] = field.default if value is None and field.has_unset else field.raw_of(value)
        _set_raw(self, tuple(raw))
        _set_absent(self, self.not_in_fixed - values.keys())

    @classmethod
    def of_raw(cls, raw: tuple[Any, ...], absent: frozenset[str] = _NONE_ABSENT) -> Self:
        """Make a message of raw values in the table's order, as a codec found them."""
        message = cls.__new__(cls)
        _set_raw(message, raw)
        _set_absent(message, absent)
        return message

    @property
    def present(self) -> int:
        """Number of fields the sender sent."""
        return len(self.fields) - len(self.absent)

    def with_texts(self, reworded: Callable[[Field[Any], str], str]) -> Self:
        """Return the message with what `reworded` makes of each text; what was not sent stays unsent."""
        raw = list(self._raw)
        for field in self.fields:
            if field.is_text and field.name not in self.absent:
                text = getattr(self, field.name)
                # What is left as it is stays as it was received, bytes for bytes.
                if (other := reworded(field, text)) != text:
                    raw[field.index] = other
        return self.of_raw(tuple(raw), self.absent)

    def values(self) -> tuple[Any, ...]:
        """Return what every field reads as, in the table's order."""
        return tuple(getattr(self, field.name) for field in self.fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable, {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable, {name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        assert isinstance(other, Message)
        return self.values() == other.values()

    def __hash__(self) -> int:
        return hash((self.type, self.values()))

    def __repr__(self) -> str:
        blank = type(self)()
        shown = (
            f"{field.name}={'***' if field.name in SECRET_FIELDS else repr(getattr(self, field.name))}"
            for field in self.fields
            if getattr(self, field.name) != getattr(blank, field.name)
        )
        return f"{type(self).__name__}({', '.join(shown)})"


# The slots' own setters pass by the `__setattr__` that keeps everybody else out.
_set_raw = Message.__dict__["_raw"].__set__
_set_absent = Message.__dict__["absent"].__set__


def _name_of(cls: type[Message], field: Field[Any]) -> str:
    return next(name for name, value in cls.__dict__.items() if value is field)


def raw_reader(kind: type[Message], *names: str) -> Callable[[Message], tuple[Any, ...]]:
    """Return the function that reads several fields of a message of this kind at once, as they were received.

    What is unset is not None yet and text may be bytes: `text_of_raw` reads it. A seventh of the time of asking for
    each by its name, which counts where every execution goes through.
    """
    take = itemgetter(*(kind.field_by_name[name].index for name in names))

    def read(message: Message) -> tuple[Any, ...]:
        return take(message._raw)  # type: ignore[no-any-return]

    return read


def fields_of(message: Message) -> dict[str, Any]:
    """Return the fields as a dict in wire order, without Size, Type and BaseSize.

    A number the sender was too short to include is None, an absent text is "". A field that only the other struct of
    the message has is left out. Floating point that is not finite is None, because JSON has no word for it.
    """
    result: dict[str, Any] = {}
    for field in message.fields:
        name = field.name
        if name in message.absent:
            if name not in message.not_in_fixed:
                result[name] = "" if field.is_text else None
            continue
        value = getattr(message, name)
        result[name] = None if value.__class__ is float and value - value != 0 else value
    return result
