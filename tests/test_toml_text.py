"""One key of a TOML text changes, and not a letter beside it."""

from __future__ import annotations

import tomllib

import pytest

from dtcpos.toml_text import key_text, line_of, string_text, with_value, without

FILE = """\
# mine
[server]           # where
  host = "a # b"   # here
  port = 1 # the port

symbols = [
  "A",  # first
  "B]", # second
] # all of them

# the accounts
[accounts]
"EVAL-*" = "SIM"
'x.y' = "LIVE"

[instruments]
MES.tick = 0.25
NQ = { tick = 0.25, commission = 1 }
empty = {}
"""


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        (("server", "port"), "2", "port = 1 #", "port = 2 #"),
        (("server", "host"), '"c"', '"a # b"', '"c"'),
        (("server", "tls"), "true", "] # all of them\n", "] # all of them\ntls = true\n"),
        (("accounts", "EVAL-*"), '"LIVE"', '"EVAL-*" = "SIM"', '"EVAL-*" = "LIVE"'),
        (("accounts", "x.y"), '"SIM"', "'x.y' = \"LIVE\"", "'x.y' = \"SIM\""),
        (("accounts", "new one"), '"SIM"', "'x.y' = \"LIVE\"\n", '\'x.y\' = "LIVE"\n"new one" = "SIM"\n'),
        (("instruments", "MES", "commission"), "1", "MES.tick = 0.25\n", "MES.tick = 0.25\nMES.commission = 1\n"),
        (("instruments", "NQ", "commission"), "2", "commission = 1 }", "commission = 2 }"),
        (("instruments", "NQ", "currency"), '"USD"', "commission = 1 }", 'commission = 1, currency = "USD" }'),
        (("instruments", "empty", "tick"), "1", "empty = {}", "empty = { tick = 1 }"),
        (("instruments", "CL", "tick"), "0.01", "empty = {}\n", "empty = {}\n\n[instruments.CL]\ntick = 0.01\n"),
        (("guards", "x"), "true", "empty = {}\n", "empty = {}\n\n[guards]\nx = true\n"),
    ],
)
def test_a_value_is_set_in_its_place(path: tuple[str, ...], value: str, old: str, new: str) -> None:
    """In its line, or after its kin, in the way its kin is written, or in a new table at the end."""
    assert FILE.count(old) == 1
    assert with_value(FILE, path, value) == FILE.replace(old, new)
    tomllib.loads(with_value(FILE, path, value))


def test_comments_inside_a_value_stay() -> None:
    """They go above it."""
    changed = with_value(FILE, ("server", "symbols"), "[]")
    assert "# first\n# second\nsymbols = [] # all of them\n" in changed


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (("server", "port"), "  port = 1 # the port\n", "# the port\n"),
        (("server", "symbols"), 'symbols = [\n  "A",  # first\n  "B]", # second\n] # all', "# first\n# second\n# all"),
        (("accounts", "EVAL-*"), '"EVAL-*" = "SIM"\n', ""),
        (("instruments", "MES", "tick"), "MES.tick = 0.25\n", ""),
        (("instruments", "NQ", "tick"), "{ tick = 0.25, commission", "{ commission"),
        (("instruments", "NQ", "commission"), "tick = 0.25, commission = 1 }", "tick = 0.25 }"),
        (("server", "absent"), "", ""),
    ],
)
def test_a_key_is_taken_out(path: tuple[str, ...], old: str, new: str) -> None:
    """What was said about it stays."""
    changed = without(FILE, path)
    assert changed == (FILE.replace(old, new) if old else FILE)
    tomllib.loads(changed)


@pytest.mark.parametrize(
    "text", ["", "# mine\n", "[guards]\nx = 1\n", "[server]\r\nhost = 'a'\r\n\r\n[z]\r\ny = 1\r\n"]
)
def test_what_was_set_and_taken_out_leaves_no_trace(text: str) -> None:
    """Not even an empty table; line ends are those of the file."""
    for path in (("server", "port"), ("instruments", "MES.X", "tick")):
        changed = with_value(text, path, "1")
        assert ("\r\n" in text) == ("\r\n" in changed)
        assert changed.count("\n") == changed.count("\r\n") or "\r\n" not in text
        assert without(changed, path) == text


def test_a_file_whose_last_line_does_not_end() -> None:
    """The new line is a line of its own."""
    assert with_value("[a]\nx = 1", ("a", "y"), "2") == "[a]\nx = 1\ny = 2\n"
    assert with_value("[a]", ("a", "y"), "2") == "[a]\ny = 2\n"
    assert with_value("[a]\nx = 1", ("b", "y"), "2") == "[a]\nx = 1\n\n[b]\ny = 2\n"


def test_an_empty_table_that_is_commented_stays() -> None:
    """And so does one in the middle that parts two others."""
    assert without("[a]\nx = 1 # y\n", ("a", "x")) == "[a]\n# y\n"
    assert without("[a] # z\nx = 1\n", ("a", "x")) == "[a] # z\n"
    assert without("[a]\nx = 1\n\n[b]\ny = 1\n", ("a", "x")) == "[b]\ny = 1\n"
    assert without("[c]\nz = 1\n\n[a]\nx = 1\n\n[b]\ny = 1\n", ("a", "x")) == "[c]\nz = 1\n\n[b]\ny = 1\n"


ODD = '''
a."b c".d = """one " two "" three
[not.a.table] # no comment
x = 1"""
e = \'\'\'it's
[neither]\'\'\'
f = 1979-05-27 07:32:00  # a moment
g = [[1, 2], [{h = "]"}, "}"], ] # nested
"k\\"l" = "\\" # \\\\"
[ t . u ]
v = 1
[[w]]
x = 1
[[w]]
x = 2
'''


def test_whatever_toml_allows_is_walked_over() -> None:
    """Strings of many lines, quotes in quotes, nested lists, moments with blanks."""
    before = tomllib.loads(ODD)
    for path, value in ((("t", "u", "v"), "2"), (("f",), "3"), (('k"l',), "4"), (("g",), "5"), (("e",), "6")):
        table = before | {}
        after = tomllib.loads(with_value(ODD, path, value))
        for word in path[:-1]:
            table, after = table[word], after[word]
        assert after.pop(path[-1]) == int(value)
        assert after == {key: found for key, found in table.items() if key != path[-1]}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("server", "port"), 4),
        (("server",), 2),
        (("accounts", "x.y"), 14),
        (("instruments", "NQ", "commission"), 18),
        (("instruments", "MES"), 17),
        (("nothing",), None),
    ],
)
def test_lines_are_found(path: tuple[str, ...], line: int | None) -> None:
    """Of a key, of a table, of the first key of a table without a line of its own."""
    assert line_of(FILE, path) == line


@pytest.mark.parametrize("text", ["", "a b", "ü", '"', "\\", "\n\t\x00\x1f\x7f", "\u2028", "😀"])
def test_words_and_texts(text: str) -> None:
    """Any text comes back as it was."""
    assert tomllib.loads(f"{key_text(text)} = {string_text(text)}") == {text: text}
