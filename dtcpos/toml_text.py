"""Change one key in the text of a TOML file and leave every other letter as it is.

Only text that `tomllib` has already accepted is read here, so that where a statement begins and ends is all there is to
find. Written because the standard library reads TOML and does not write it, and what a person has said in comments is
worth more than a file in canonical order. Whoever changes a text here parses the result and compares, as
`settings_editing` does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

Path = tuple[str, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})' r"|'''.*?'''(?:'{0,2})" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'", re.DOTALL
)
_PLAIN = re.compile(r"[^,\]}#\r\n]*")
_COMMENT = re.compile(r"#[^\r\n]*")
_ESCAPED = {chr(code): f"\\u{code:04X}" for code in (0x7F,)}


class Pair(NamedTuple):
    """A key and its value; offsets into the text. `last_start` is where the last word of the key begins."""

    path: Path
    start: int
    last_start: int
    value_start: int
    value_end: int
    is_inline: bool
    comments: tuple[str, ...]


class Header(NamedTuple):
    """The line that opens a table."""

    path: Path
    start: int
    end: int


def scan(text: str) -> Iterator[Pair | Header]:
    """Yield the statements of a valid text, those inside inline tables before the one they are the value of."""
    table: Path = ()
    at = _after_blank(text, 0)
    while at < len(text):
        if text[at] == "[":
            start = at
            opening = 2 if text.startswith("[[", at) else 1
            table, _, at = _key(text, at + opening)
            at += opening
            yield Header(table, start, at)
        else:
            *inner, pair = _pairs(text, at, table, is_inline=False)
            yield from inner
            yield pair
            at = pair.value_end
        at = _after_blank(text, at)


def with_value(text: str, path: Path, value: str) -> str:
    """Return the text with a key set to a value, itself TOML: in its place, or after its kin, or in a new table."""
    statements = list(scan(text))
    line_end = "\r\n" if "\r\n" in text else "\n"
    found = _pair(statements, path)
    if found is not None:
        changed = text[: found.value_start] + value + text[found.value_end :]
        return _with_comments(changed, found, line_end)
    *parent, name = path
    kin = [each for each in statements if isinstance(each, Pair) and each.path[:-1] == tuple(parent)]
    if kin and kin[-1].is_inline:
        at = kin[-1].value_end
        return f"{text[:at]}, {key_text(name)} = {value}{text[at:]}"
    if kin:
        last = kin[-1]
        indent = text[_line_start(text, last.start) : last.start]
        line = f"{indent}{text[last.start : last.last_start]}{key_text(name)} = {value}"
        return _with_line(text, last.value_end, line, line_end)
    holder = _pair(statements, tuple(parent))
    if holder is not None and text[holder.value_start] == "{":
        return f"{text[: holder.value_start]}{{ {key_text(name)} = {value} }}{text[holder.value_end :]}"
    header = _header(statements, tuple(parent))
    if header is not None:
        return _with_line(text, header.end, f"{key_text(name)} = {value}", line_end)
    start = f"{text}{'' if not text or text.endswith(chr(10)) else line_end}{line_end if text.strip() else ''}"
    return f"{start}[{'.'.join(map(key_text, parent))}]{line_end}{key_text(name)} = {value}{line_end}"


def without(text: str, path: Path) -> str:
    """Return the text without a key; what a comment says stays, and a table nothing is left of goes."""
    statements = list(scan(text))
    found = _pair(statements, path)
    if found is None:
        return text
    if found.is_inline:
        return _without_inline(text, found, statements)
    line_end = "\r\n" if "\r\n" in text else "\n"
    start, end = _line_start(text, found.start), _line_end(text, found.value_end)
    said = [*found.comments, text[found.value_end : end].strip()]
    kept = "".join(f"{comment}{line_end}" for comment in said if comment)
    return _without_empty_table(text[:start] + kept + text[end:], path[:-1])


def line_of(text: str, path: Path) -> int | None:
    """Return the number of the line that says a key, or opens its table; None where nothing does."""
    found = ((_distance(each, path), each.start) for each in scan(text))
    best = min(((distance, start) for distance, start in found if distance is not None), default=None)
    return None if best is None else text.count("\n", 0, best[1]) + 1


def _distance(each: Pair | Header, path: Path) -> tuple[bool, int] | None:
    """Return how far a statement is from saying a key; what only holds it is further than what is inside it."""
    if each.path[: len(path)] == path:
        return False, len(each.path) - len(path)
    if isinstance(each, Header) and path[: len(each.path)] == each.path:
        return True, len(path) - len(each.path)
    return None


def key_text(word: str) -> str:
    """Return one word of a key as TOML writes it."""
    return word if _BARE.fullmatch(word) else string_text(word)


def string_text(text: str) -> str:
    """Return a text as a TOML string on one line."""
    # JSON's escapes are TOML's; JSON leaves one control character as it is.
    return "".join(_ESCAPED.get(letter, letter) for letter in json.dumps(text, ensure_ascii=False))


def _pairs(text: str, at: int, table: Path, *, is_inline: bool) -> list[Pair]:
    """Return the pair that begins here, last, after those inside its value."""
    start = at
    words, last_start, at = _key(text, at)
    path = (*table, *words)
    at = _after_spaces(text, _after_spaces(text, at) + 1)
    value_start = at
    inner: list[Pair] = []
    comments: list[str] = []
    at = _after_value(text, at, path, inner, comments)
    return [*inner, Pair(path, start, last_start, value_start, at, is_inline, tuple(comments))]


def _after_value(text: str, at: int, path: Path, inner: list[Pair], comments: list[str]) -> int:
    if text[at] == "[":
        at = _after_blank(text, at + 1, comments)
        while text[at] != "]":
            # What is inside a list has no path of its own.
            at = at + 1 if text[at] == "," else _after_value(text, at, path, [], comments)
            at = _after_blank(text, at, comments)
        return at + 1
    if text[at] == "{":
        at = _after_blank(text, at + 1)
        while text[at] != "}":
            if text[at] == ",":
                at += 1
            else:
                inner.extend(_pairs(text, at, path, is_inline=True))
                at = inner[-1].value_end
            at = _after_blank(text, at)
        return at + 1
    string = _STRING.match(text, at)
    if string is not None:
        return string.end()
    plain = _PLAIN.match(text, at)
    assert plain is not None, "an empty match is one"
    return at + len(plain[0].rstrip())


def _key(text: str, at: int) -> tuple[Path, int, int]:
    """Return the words of a key, where the last begins, and where it ends."""
    words: list[str] = []
    while True:
        at = last_start = _after_spaces(text, at)
        quoted = _STRING.match(text, at)
        bare = _BARE.match(text, at)
        if quoted is not None:
            words.append(_unquoted(quoted[0]))
            at = quoted.end()
        else:
            assert bare is not None, "only valid text is read"
            words.append(bare[0])
            at = bare.end()
        dot = _after_spaces(text, at)
        if text[dot : dot + 1] != ".":
            return tuple(words), last_start, dot if text[dot : dot + 1] == "]" else at
        at = dot + 1


def _unquoted(text: str) -> str:
    import tomllib

    return str(tomllib.loads(f"key = {text}")["key"])


def _after_spaces(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t"):
        at += 1
    return at


def _after_blank(text: str, at: int, comments: list[str] | None = None) -> int:
    """Skip blanks, line ends and comments."""
    while at < len(text):
        comment = _COMMENT.match(text, at)
        if comment is not None:
            if comments is not None:
                comments.append(comment[0].rstrip())
            at = comment.end()
        elif text[at] in " \t\r\n":
            at += 1
        else:
            break
    return at


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    """Return where the next line begins."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _pair(statements: list[Pair | Header], path: Path) -> Pair | None:
    return next((each for each in statements if isinstance(each, Pair) and each.path == path), None)


def _header(statements: list[Pair | Header], path: Path) -> Header | None:
    return next((each for each in statements if isinstance(each, Header) and each.path == path), None)


def _with_line(text: str, at: int, line: str, line_end: str) -> str:
    """Return the text with a line put after the one an offset is in."""
    end = _line_end(text, at)
    before = text[:end] if text[:end].endswith("\n") else text[:end] + line_end
    return f"{before}{line}{line_end}{text[end:]}"


def _with_comments(text: str, found: Pair, line_end: str) -> str:
    """Return the text with the comments that were inside a value above it."""
    start = _line_start(text, found.start)
    said = "".join(f"{comment}{line_end}" for comment in found.comments)
    return text[:start] + said + text[start:]


def _without_inline(text: str, found: Pair, statements: list[Pair | Header]) -> str:
    kin = [
        each
        for each in statements
        if isinstance(each, Pair) and each.is_inline and each.path[:-1] == found.path[:-1] and each != found
    ]
    later = [each for each in kin if each.start > found.start]
    if later:
        return text[: found.start] + text[later[0].start :]
    start = max((each.value_end for each in kin), default=found.start)
    return text[:start] + text[found.value_end :]


def _without_empty_table(text: str, path: Path) -> str:
    statements = list(scan(text))
    header = _header(statements, path)
    if header is None:
        return text
    start, end = _line_start(text, header.start), len(text)
    following = [each.start for each in statements if each.start > header.start]
    if following:
        end = _line_start(text, following[0])
        if not any(isinstance(each, Header) and each.start == following[0] for each in statements):
            return text
    if text[header.end : end].strip():
        return text
    before = text[:start]
    for blank in ("\r\n\r\n", "\n\n"):
        if before.endswith(blank):
            before = before[: -len(blank) // 2]
            break
    # The blank line that stood before the table goes with it, unless it also parts what follows.
    parting = text[_line_end(text, header.end) : end] if following and before.strip() else ""
    return before + parting + text[end:]
