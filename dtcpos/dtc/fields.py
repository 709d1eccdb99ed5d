"""Kinds of field: one line of a message's table says where the field lies and what it holds.

`at` is the offset in the fixed-size struct, None where the fixed struct lacks the field. `vls` is the offset in the
struct with variable-length strings, None where the message has no such struct. Both count from the first byte of the
message, its Size and Type included. `default` is what the official constructor writes.
"""

from __future__ import annotations

import operator
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from dtcpos.errors import LocalProtocolError

if TYPE_CHECKING:
    from dtcpos.dtc.message import Message

T = TypeVar("T")

DBL_MAX = 1.7976931348623157e308
FLT_MAX = 3.4028234663852886e38
UINT_MAX = 0xFFFF_FFFF

_FLOAT32 = struct.Struct("<f")


class Field(ABC, Generic[T]):
    """A field of a message; reading it on a message gives a `T`.

    The descriptor is what the type checker sees. When the class is made it is replaced by a property with a getter
    written for its kind: reading a field then costs one call instead of three.
    """

    __slots__ = ("at", "default", "index", "name", "vls")
    code: ClassVar[str]
    is_text: ClassVar[bool] = False
    has_unset: ClassVar[bool] = False

    def __init__(self, at: int | None, *, vls: int | None = None, default: object = 0) -> None:
        self.at = at
        self.vls = vls
        self.default: Any = default
        self.name = ""
        self.index = -1

    if TYPE_CHECKING:

        def __get__(self, message: Message, owner: type[Message]) -> T: ...

    @property
    def width(self) -> int:
        """Size of the field in the fixed struct, in bytes."""
        return struct.calcsize("<" + self.code)

    def getter(self) -> Callable[[Message], T]:
        """Return the function that reads this field from a message."""
        index = self.index

        def read(message: Message) -> T:
            return message._raw[index]  # type: ignore[no-any-return]

        return read

    @abstractmethod
    def raw_of(self, value: Any) -> Any:
        """Turn what a caller gave into what the struct holds; TypeError where it is not of this kind."""


class _Integer(Field[int]):
    __slots__ = ()

    def raw_of(self, value: Any) -> Any:
        return operator.index(value)


class Int8(_Integer):
    """A signed byte."""

    __slots__ = ()
    code = "b"


class UInt8(_Integer):
    """A byte, mostly a flag."""

    __slots__ = ()
    code = "B"


class Int16(_Integer):
    """A signed 16-bit number."""

    __slots__ = ()
    code = "h"


class UInt16(_Integer):
    """A 16-bit number."""

    __slots__ = ()
    code = "H"


class Int32(_Integer):
    """A signed 32-bit number; enums are of this kind unless said otherwise."""

    __slots__ = ()
    code = "i"


class UInt32(_Integer):
    """A 32-bit number."""

    __slots__ = ()
    code = "I"


class Int64(_Integer):
    """A signed 64-bit number."""

    __slots__ = ()
    code = "q"


class UInt64(_Integer):
    """A 64-bit number."""

    __slots__ = ()
    code = "Q"


class Seconds(Int64):
    """Unix time in whole seconds, 64 bits."""

    __slots__ = ()


class Seconds4(UInt32):
    """Unix time in whole seconds, 32 bits."""

    __slots__ = ()


class Milliseconds(Int64):
    """Unix time in milliseconds, 64 bits."""

    __slots__ = ()


class Microseconds(Int64):
    """Unix time in microseconds, 64 bits."""

    __slots__ = ()


class Double(Field[float]):
    """A 64-bit floating point number."""

    __slots__ = ()
    code = "d"

    def raw_of(self, value: Any) -> Any:
        """Accept any number."""
        if isinstance(value, str | bytes):
            raise TypeError(f"{value!r} is not a number")
        return float(value)


class FractionalSeconds(Double):
    """Unix time in seconds with a fraction, a double."""

    __slots__ = ()


class Float(Double):
    """A 32-bit floating point number, kept as the double of the same value."""

    __slots__ = ()
    code = "f"

    def raw_of(self, value: Any) -> Any:
        """Accept any number and round it to what 32 bits can say."""
        number = super().raw_of(value)
        try:
            return _FLOAT32.unpack(_FLOAT32.pack(number))[0]
        except OverflowError as error:
            raise LocalProtocolError(f"{self.name}: {value!r} does not fit 32-bit floating point") from error


class _Unset(Field[T]):
    """Mixin of the kinds whose description gives a value that means unset; read as None."""

    __slots__ = ()
    has_unset = True

    if TYPE_CHECKING:

        def __get__(self, message: Message, owner: type[Message]) -> T | None: ...  # type: ignore[override]


class _UnsetFloating(_Unset[float]):
    __slots__ = ()

    def getter(self) -> Callable[[Message], float | None]:  # type: ignore[override]
        index = self.index

        def read(message: Message) -> float | None:
            # By magnitude: a server that widens a float sends FLT_MAX in a double. Infinity is not unset, it is wrong.
            value: float = message._raw[index]
            return None if FLT_MAX <= value <= DBL_MAX else value

        return read


class DoubleOrUnset(_UnsetFloating, Double):
    """A double where DBL_MAX means unset."""

    __slots__ = ()

    def __init__(self, at: int | None, *, vls: int | None = None) -> None:
        super().__init__(at, vls=vls, default=DBL_MAX)


class FloatOrUnset(_UnsetFloating, Float):
    """A 32-bit float where FLT_MAX means unset."""

    __slots__ = ()

    def __init__(self, at: int | None, *, vls: int | None = None) -> None:
        super().__init__(at, vls=vls, default=FLT_MAX)


class UInt32OrUnset(_Unset[int], UInt32):
    """A 32-bit number where UINT_MAX means unset."""

    __slots__ = ()

    def __init__(self, at: int | None, *, vls: int | None = None) -> None:
        super().__init__(at, vls=vls, default=UINT_MAX)

    def getter(self) -> Callable[[Message], int | None]:  # type: ignore[override]
        """Return the function that reads this number, unset as None."""
        index = self.index

        def read(message: Message) -> int | None:
            value: int = message._raw[index]
            return None if value == UINT_MAX else value

        return read


def text_of_raw(raw: str | bytes) -> str:
    """Return the text of a raw value: as it is, or the bytes up to the first NUL."""
    return raw if isinstance(raw, str) else raw.split(b"\0", 1)[0].decode("latin-1")


class Text(Field[str]):
    """Text of at most `length` bytes in the fixed struct, 8 bits a character, read up to the first NUL.

    The code page is not stated anywhere; latin-1 is the one reading that never fails and gives every byte back.
    Raw values are `bytes` as they were received, decoded when somebody reads them, or `str`.
    """

    __slots__ = ("length",)
    is_text = True

    def __init__(self, at: int | None, length: int, *, vls: int | None = None, default: str = "") -> None:
        super().__init__(at, vls=vls, default=default)
        self.length = length

    @property
    def code(self) -> str:  # type: ignore[override]
        """The struct code of the array."""
        return f"{self.length}s"

    def getter(self) -> Callable[[Message], str]:
        """Return the function that decodes this text."""
        index = self.index

        def read(message: Message) -> str:
            raw = message._raw[index]
            if raw.__class__ is str:
                return raw
            return raw.split(b"\0", 1)[0].decode("latin-1")  # type: ignore[no-any-return]

        return read

    def raw_of(self, value: Any) -> Any:
        """Accept text only."""
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is not text")
        return value
