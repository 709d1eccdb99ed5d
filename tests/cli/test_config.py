"""`dtcpos config`: keys are shown, set, taken out, checked; what a person wrote stays."""

from __future__ import annotations

import os
import shlex
import stat
import sys
import tomllib
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtcpos.cli import editor
from dtcpos.cli.config import EXPLANATION
from dtcpos.cli.known_settings import KEYS, Key, key_path, toml_of
from dtcpos.errors import SettingsError, UsageError
from dtcpos.settings import Settings, known_keys, parsed, read_settings, settings_of
from dtcpos.settings_editing import with_key, without_key
from tests.cli.conftest import Shell

MINE = """\
# my settings
[server]          # the machine in the cellar
port = 11100      # not the usual one

[accounts]
# prop firm
"EVAL-*" = "SIM"
"""


@pytest.fixture
def path(shell: Shell, tmp_path: Path) -> Path:
    del shell
    path = tmp_path / "settings.toml"
    path.write_text(MINE, encoding="utf-8")
    return path


def test_every_key_that_is_read_is_explained() -> None:
    """And none that is not; the kind of each writes its own default."""
    explained: dict[str, set[str]] = {}
    for key in KEYS:
        explained.setdefault(key.table.partition(".")[0], set()).add(key.name)
    del explained["accounts"]
    assert explained == {name: set(keys) for name, keys in known_keys().items()}
    for key in KEYS:
        if key.default:
            typed = parsed(f"value = {key.default}", "")["value"]
            text = ",".join(typed) if isinstance(typed, list) else str(typed)
            assert toml_of(key, text) == key.default


def test_set_show_unset(shell: Shell, path: Path) -> None:
    """What is set is shown; what is taken out has its default again; every other letter stays."""
    assert shell("config", "set", "server.port", "11101").out == "server.port: 11101\n"
    assert path.read_text(encoding="utf-8") == MINE.replace("11100", "11101")
    assert shell("config", "show", "server.port").out == "11101\n"
    assert shell("config", "unset", "server.port").out == "server.port: 11099\n"
    assert shell("config", "show", "server.port").out == "11099\n"
    assert "is not in" in shell("config", "unset", "server.port").out
    assert path.read_text(encoding="utf-8") == MINE.replace("port = 11100      # not", "# not")


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("accounts.PA-1.2", "live", '"PA-1.2" = "live"'),
        ("accounts.'EVAL-*'", "LIVE", '"EVAL-*" = "LIVE"'),
        ("instruments.MESZ26-CME.commission", "-0.620", "commission = -0.620"),
        ("instruments.ES.F.tick", "0.25", '[instruments."ES.F"]'),
        ("server.tls", "yes", "tls = true"),
        ("server.symbols", "MES, NQ", 'symbols = ["MES", "NQ"]'),
        ("server.symbols", "", "symbols = []"),
        ("notify.on_event", 'notify-send "a # b"', 'on_event = "notify-send \\"a # b\\""'),
        ("trading_day.start", "08:30", 'start = "08:30"'),
    ],
)
def test_values_of_every_kind(shell: Shell, path: Path, key: str, value: str, line: str) -> None:
    """Typed as people type them, written as TOML."""
    shell("config", "set", key, value)
    text = path.read_text(encoding="utf-8")
    assert line in text.splitlines()
    assert "# prop firm" in text
    read_settings(path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["server.prt", "1"], "'server.prt' is not a setting; did you mean server.port?"),
        (["port", "1"], "did you mean server.port?"),
        (["instruments.MES.comission", "1"], "did you mean instruments.MES.commission?"),
        (["accounts", "SIM"], "is not a setting"),
        (["zzz", "1"], "`dtcpos config --explain` lists them"),
        (["server.port", "many"], "server.port = 'many' must be a whole number"),
        (["server.port", "70000"], "server.port = 70000 must be a whole number from 1 to 65535"),
        (["server.tls", "perhaps"], "must be true or false"),
        (["instruments.MES.tick", "NaN"], "must be a number"),
        (["instruments.MES.tick", "-1"], "must be greater than zero"),
        (["trading_day.timezone", "Mars/Olympus"], "is not a known time zone"),
        (["accounts.X", "ALL"], "is not a mode"),
        (["notify.events", "fill,fil"], "must be one of session, fill"),
        (["notify.webhook", "ftp://SECRET"], "notify.webhook must begin with https://"),
    ],
)
def test_what_cannot_be_meant_is_refused(shell: Shell, path: Path, words: list[str], message: str) -> None:
    """U4: exit 2, the value and the remedy, and the file is as it was; never a secret."""
    ran = shell("config", "set", *words, code=2)
    assert message in ran.err
    assert "SECRET" not in ran.err
    assert path.read_text(encoding="utf-8") == MINE


def test_a_file_that_is_wrong_already_is_not_made_worse(shell: Shell, path: Path) -> None:
    """Neither broken TOML nor an unknown key is written over."""
    for text in ("[server\n", "[server]\nprt = 1\n"):
        path.write_text(text, encoding="utf-8")
        shell("config", "set", "server.host", "x", code=2)
        assert path.read_text(encoding="utf-8") == text


def test_what_cannot_be_changed_by_itself_is_refused() -> None:
    """Where the editor of lines does not know the way, it says so instead of guessing."""
    with pytest.raises(SettingsError, match="use `dtcpos config edit`"):
        with_key("instruments = { NQ = { tick = 1 } }\n", ("instruments", "MES", "tick"), "1", "x")


def test_the_file_is_made_private_and_keeps_its_rights(shell: Shell, path: Path) -> None:
    """A new one is for its owner alone, as a webhook's address is a secret; an old one stays as readable as it was."""
    path.chmod(0o640)
    shell("config", "set", "server.port", "1")
    fresh = path.parent / "new" / "settings.toml"
    shell("config", "set", "server.port", "1", "--config", str(fresh))
    assert fresh.read_text(encoding="utf-8") == "[server]\nport = 1\n"
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert stat.S_IMODE(fresh.stat().st_mode) == 0o600
    assert [each.name for each in fresh.parent.iterdir()] == ["settings.toml"]


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_link_stays_a_link(shell: Shell, path: Path) -> None:
    """People keep their settings in a repository of their own."""
    kept = path.with_name("kept.toml")
    path.rename(kept)
    path.symlink_to(kept)
    shell("config", "set", "server.port", "1")
    assert path.is_symlink()
    assert "port = 1 " in kept.read_text(encoding="utf-8")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_of_windows_are_read_and_stay_as_they_are(shell: Shell, path: Path, encoding: str) -> None:
    """PowerShell writes UTF-16 with `>`, Notepad begins UTF-8 with a mark; line ends stay."""
    path.write_bytes(MINE.replace("\n", "\r\n").encode(encoding))
    shell("config", "set", "server.host", "h")
    content = path.read_bytes()
    assert content.startswith(MINE[:1].encode(encoding)[:-1])
    assert 'one\r\nhost = "h"\r\n' in content.decode(encoding)
    assert read_settings(path).server.host == "h"


def test_a_folder_that_cannot_be_written(shell: Shell, tmp_path: Path) -> None:
    """Exit 5 and one line; nothing is left behind."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    ran = shell("config", "set", "server.port", "1", "--config", str(tmp_path / "file" / "settings.toml"), code=5)
    assert ran.err.startswith("dtcpos: cannot write settings ")


@pytest.mark.parametrize("place", [os.devnull, "."])
def test_what_is_no_file_is_not_replaced_by_one(shell: Shell, place: str) -> None:
    """The null device stays what it is, whoever asks."""
    ran = shell("config", "set", "server.port", "1", "--config", place, code=2)
    assert "are no file that can be changed" in ran.err
    assert not Path(place).is_file()


def test_show(shell: Shell, path: Path) -> None:
    """Everything that holds, as lines and as JSON; of a webhook only scheme and host."""
    shell("config", "set", "notify.webhook", "https://user:SECRET@hooks.example.com/SECRET?SECRET")
    shell("config", "set", "instruments.MES.commission", "0.620")
    lines = shell("config", "show").out.splitlines()
    assert lines[:2] == ['accounts."EVAL-*" = "SIM"', "instruments.MES.commission = 0.620"]
    assert 'notify.webhook = "https://hooks.example.com/..."' in lines
    assert len(lines) == 2 + sum(key.table not in ("accounts", "instruments.SYMBOL") for key in KEYS)
    found = shell("config", "show", "--json").json
    assert found["server.port"] == 11100
    assert found["instruments.MES.commission"] == Decimal("0.620")
    assert found["trading_day.start"] == "17:00"
    assert shell("config", "show", "accounts").out == 'accounts."EVAL-*" = "SIM"\n'
    assert shell("config", "show", "trading_day.start").out == "17:00\n"
    assert "did you mean server.port" in shell("config", "show", "server.prt", code=2).err
    assert "is not set" in shell("config", "show", "instruments.NQ.tick", code=2).err
    assert "SECRET" in path.read_text(encoding="utf-8")


def test_path(shell: Shell, path: Path) -> None:
    """For scripts: the path and nothing else."""
    assert shell("config", "path").out == f"{path}\n"
    assert shell("config", "path", "--config", "other.toml").out == "other.toml\n"
    assert shell("config", "--config", "other.toml", "path").out == "other.toml\n"
    assert shell("config", "--config", "other.toml", "path", "--config", "third.toml").out == "third.toml\n"


def test_check(shell: Shell, path: Path) -> None:
    """Everything that is wrong at once, each with the number of its line, and exit 2."""
    assert shell("config", "check").out == f"{path}: ok\n"
    path.write_text(
        MINE + '"X" = "ALL"\n\n[server.x]\n[guard]\n[instruments.MES]\ntik = 1\ntick = 0\n', encoding="utf-8"
    )
    ran = shell("config", "check", code=2)
    assert ran.out.splitlines() == [
        f"{path}:10: server.x is not a setting; known are {', '.join(known_keys()['server'])}",
        f"{path}:8: accounts.X = 'ALL' is not a mode; write SIM, LIVE or a word of your own other than ALL",
        f"{path}:11: guard is not a setting; did you mean guards?",
        f"{path}:13: instruments.MES.tik is not a setting; did you mean tick?",
        f"{path}:14: instruments.MES.tick = 0 must be greater than zero",
    ]
    assert ran.err == f"dtcpos: settings {path}: 5 faults; correct the file\n"
    other = path.with_name("other.toml")
    other.write_text("a = 1\n\n[b\n", encoding="utf-8")
    assert "(at line 3, column 3)" in shell("config", "check", str(other), code=2).out
    assert "cannot be read" in shell("config", "check", str(path.with_name("absent")), code=2).err


class Terminal:
    """A person at a terminal whose editor is a line of Python."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.folder = folder
        self._patch = monkeypatch
        monkeypatch.setattr(editor, "_is_terminal", lambda: True)
        monkeypatch.delenv("VISUAL", raising=False)

    def edits(self, code: str) -> None:
        script = self.folder / "editor.py"
        script.write_text(
            f"import sys\nfrom pathlib import Path\npath = Path(sys.argv[-1])\ntext = path.read_text()\n{code}\n"
            "path.write_text(text)\n",
            encoding="utf-8",
        )
        quoted = [f'"{word}"' if os.name == "nt" else shlex.quote(word) for word in (sys.executable, str(script))]
        self._patch.setenv("EDITOR", " ".join(quoted))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Terminal:
    folder = tmp_path / "editor"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return Terminal(monkeypatch, folder)


def test_edit(shell: Shell, path: Path, terminal: Terminal) -> None:
    """What was written is taken, the copy goes."""
    terminal.edits("text = text.replace('11100', '11102')")
    assert shell("config", "edit").out == f"{path}: changed\n"
    assert path.read_text(encoding="utf-8") == MINE.replace("11100", "11102")
    assert shell("config", "edit").out == "nothing changed\n"
    assert [each.name for each in terminal.folder.iterdir()] == ["editor.py"]


def test_edit_begins_with_the_explanation(shell: Shell, path: Path, terminal: Terminal) -> None:
    """Where there is no file yet, what is seen is every key; left as it is, no file is made."""
    path.unlink()
    terminal.edits("assert 'heartbeat_s = 10' in text")
    assert shell("config", "edit").out == "nothing changed\n"
    assert not path.exists()
    terminal.edits("text = text.replace('heartbeat_s = 10', 'heartbeat_s = 11')")
    shell("config", "edit")
    assert path.read_text(encoding="utf-8") == EXPLANATION.replace("heartbeat_s = 10", "heartbeat_s = 11")


def test_edit_again_or_keep_the_old(shell: Shell, path: Path, terminal: Terminal) -> None:
    """What is not valid is said with its line and may be mended; else nothing changes, and no work is lost."""
    terminal.edits("text = text.replace('prt', 'user') if 'prt' in text else text.replace('port', 'prt')")
    ran = shell("config", "edit", code=2, stdin=b"n\n")
    assert "line 3: server.prt is not a setting; did you mean port?" in ran.err
    assert f"settings {path} are as they were; what you wrote is in " in ran.err
    assert path.read_text(encoding="utf-8") == MINE
    (copy,) = terminal.folder.glob("*.toml")
    assert "prt = 11100" in copy.read_text(encoding="utf-8")
    terminal.edits(
        "text = text.replace('prt', 'port').replace('11100', '1') if 'prt' in text else text.replace('port', 'prt')"
    )
    assert shell("config", "edit", stdin=b"\n").out.endswith(f"{path}: changed\n")
    assert path.read_text(encoding="utf-8") == MINE.replace("11100", "1")


def test_an_editor_that_fails(shell: Shell, path: Path, terminal: Terminal) -> None:
    """:cq means no; the settings are as they were."""
    terminal.edits("sys.exit(3)")
    assert shell("config", "edit", code=2).err.endswith("ended with 3; the settings are as they were\n")
    assert path.read_text(encoding="utf-8") == MINE
    assert not list(terminal.folder.glob("*.toml"))


def test_an_editor_that_fails_the_second_time_loses_no_work(shell: Shell, path: Path, terminal: Terminal) -> None:
    """What was written the first time and was not valid stays in the copy, and its place is told."""
    terminal.edits("sys.exit(3) if 'prt' in text else None\ntext = text.replace('port', 'prt')")
    complaint = shell("config", "edit", code=2, stdin=b"\n").err
    (copy,) = terminal.folder.glob("*.toml")
    assert complaint.endswith(f"ended with 3; the settings are as they were; what you wrote is in {copy}\n")
    assert "prt = 11100" in copy.read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8") == MINE


def test_many_who_set_keys_at_once_lose_none(tmp_path: Path) -> None:
    """Whoever was told that a key is set finds it; who came too late is told to try again, and does."""
    from concurrent.futures import ThreadPoolExecutor

    from dtcpos.settings_editing import draft_of, save

    path = tmp_path / "settings.toml"

    def put(number: int) -> None:
        while True:
            draft = draft_of(path)
            with suppress(SettingsError):
                save(draft, with_key(draft.text, ("accounts", f"A-{number}"), '"SIM"', str(path)))
                return

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, range(40)))
    assert len(tomllib.loads(path.read_text(encoding="utf-8"))["accounts"]) == 40
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_settings_somebody_else_has_changed_are_not_overwritten(shell: Shell, path: Path, terminal: Terminal) -> None:
    """An editor may be open for hours."""
    terminal.edits(f"Path({str(path)!r}).write_text('# theirs\\n'); text = text.replace('11100', '1')")
    complaint = shell("config", "edit", code=2).err
    assert "were changed by somebody else meanwhile" in complaint
    (copy,) = terminal.folder.glob("*.toml")
    assert complaint.endswith(f"what you wrote is in {copy}\n")
    assert path.read_text(encoding="utf-8") == "# theirs\n"


def test_edit_needs_a_terminal(shell: Shell, path: Path) -> None:
    """A script that runs it gets a refusal and no hanging editor."""
    del path
    assert "an editor needs a terminal" in shell("config", "edit", code=2).err


# Without the sign of a comment, which is counted below.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="#"), max_size=12)
VALUES = {
    "text": TEXTS,
    "url": st.sampled_from(["https://a.example/x", ""]),
    "mode": st.sampled_from(["SIM", "LIVE", "EVAL"]),
    "switch": st.sampled_from(["true", "false"]),
    "count": st.integers(1_000, 1_000_000).map(str),
    "number": st.decimals(min_value="0.00000001", max_value=10**9, allow_nan=False, places=8).map(str),
    "texts": st.lists(st.sampled_from(["fill", "trade", "A B", "ü"]), max_size=3, unique=True).map(",".join),
}
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="#"), min_size=1, max_size=8).filter(
    lambda name: name == name.strip()
)
FILES = [
    MINE,
    "",
    EXPLANATION,
    MINE.replace("\n", "\r\n"),
    "[instruments]\nMES.tick = 1 # x\nNQ = { tick = 2 }\n",
    "server.port = 1 # dotted\nserver.host = 'h'\n",
    'server = { port = 1 } # inline\n[notify]\nevents = [ # the list\n  "fill", # a\n  # "trade",\n]',
]


def comments(text: str) -> list[str]:
    """The comments this suite's files have; none of their texts has the sign in it."""
    return sorted(line.partition("#")[2].strip() for line in text.splitlines() if "#" in line)


@given(
    st.sampled_from(FILES),
    st.lists(
        st.sampled_from(KEYS).flatmap(lambda key: st.tuples(st.just(key), NAMES, VALUES[key.kind])),
        min_size=1,
        max_size=4,
    ),
)
def test_set_then_read_gives_the_value_and_unset_what_was(file: str, changes: list[tuple[Key, str, str]]) -> None:
    """For any key, name and value: what was set is read, comments survive, and taking it out restores the meaning."""
    text = file
    for key, name, value in changes:
        typed = {"accounts": f"accounts.'{name}'", "instruments.SYMBOL": f"instruments.'{name}'.{key.name}"}
        known, path = key_path(typed.get(key.table, f"{key.table}.{key.name}"))
        try:
            after = with_key(text, path, toml_of(known, value), "x")
        except UsageError:
            continue
        found = tomllib.loads(after, parse_float=Decimal)
        for word in path:
            found = found[word]
        expected = parsed(f"v = {toml_of(known, value)}", "")["v"]
        assert found == expected
        assert comments(after) == comments(text)
        before = parsed(text, "x")
        table = before
        for word in path[:-1]:
            table = table.get(word, {})
        if path[-1] not in table:
            restored = without_key(after, path, "x")
            assert settings_of(parsed(restored, "x"), "x") == settings_of(before, "x")
            assert comments(restored) == comments(text)
        text = after
    assert isinstance(settings_of(parsed(text, "x"), "x"), Settings)
