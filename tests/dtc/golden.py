"""The golden vectors: messages and streams written by C++ programs with the official headers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dtcpos.dtc import MESSAGE_TYPES, Encoding, Message

FIXTURES = Path(__file__).parents[2] / "fixtures" / "dtc"
FRAMING_FIELDS = {"Size", "Type", "BaseSize"}
DOUBLE_UNSET = {1.7976931348623157e308, 3.4028234663852886e38}


def lines(name: str) -> list[dict[str, Any]]:
    text = (FIXTURES / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


VECTORS = lines("vectors")
VECTOR = {vector["name"]: vector for vector in VECTORS}
JSON_VECTORS = [row for row in lines("json_vectors") if row["record"] == "message"]
JSON_VECTOR = {row["name"]: row for row in JSON_VECTORS}
STREAMS = lines("streams")
DEFAULTS = lines("defaults")
PROTOCOL: dict[str, Any] = json.loads((FIXTURES / "protocol.json").read_text(encoding="utf-8"))


def expected(vector: dict[str, Any], override: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what the fields of a vector must read as."""
    kind = MESSAGE_TYPES[vector["type"]]
    values = {**vector["fields"], **(override or {})}
    for name in vector.get("absent", ()):
        values[name] = getattr(kind(), name)
    return {
        name: None if is_unset(kind, name, value) else value
        for name, value in values.items()
        if name not in FRAMING_FIELDS
    }


def is_unset(kind: type[Message], name: str, value: Any) -> bool:
    field = kind.field_by_name.get(name)
    return field is not None and field.has_unset and (value in DOUBLE_UNSET or value == 0xFFFFFFFF)


def read(message: Message, names: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in names}


def encoding_of(word: str) -> Encoding:
    return Encoding.of_word(word)


def json_frame(name: str, form: str) -> bytes:
    row = JSON_VECTOR[name]
    if form in row.get("wire_hex", {}):
        frame = bytes.fromhex(row["wire_hex"][form])
        return frame if frame.endswith(b"\0") else frame + b"\0"
    return row[form].encode("latin-1") + b"\0"
