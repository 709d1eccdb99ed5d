"""The style that a machine can check."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import dtcpos.errors
from dtcpos._version import __version__
from dtcpos.errors import DtcposError

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "dtcpos").rglob("*.py"))
SOURCES = [*MODULES, *sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "man").rglob("*.py"))]
TEXTS = [
    *SOURCES,
    *sorted((ROOT / "man").rglob("*.1")),
    *sorted(ROOT.glob("*.md")),
    ROOT / "pyproject.toml",
    ROOT / ".ci" / "run",
    *sorted((ROOT / "dtcpos").rglob("*.txt")),
    *sorted((ROOT / "fixtures").rglob("*.txt")),
]
LINES_MAX = 450

# Put together from pieces, so that this file does not name what it looks for.
FORBIDDEN = [
    re.compile("/" + r"work/(main|shared)"),
    re.compile(r"\.\./" + "shared"),
    re.compile("/" + r"(root|home/\w+)/"),
    re.compile("/" + r"tmp/(v|spec)\b"),
    re.compile("NotImplemented" + "Error"),
    re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + "X)\b"),
    re.compile(r"except " + "Exception"),
    re.compile(r"#\s*[=*#~-]{5,}"),
]
VAGUE = {"data", "info", "handle", "handler", "manager", "utils", "util", "helpers", "process", "misc", "common"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_modules_are_short(path: Path) -> None:
    """A room one can take in: at most 450 lines."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_MAX


@pytest.mark.parametrize("path", TEXTS, ids=named)
def test_nothing_is_left_behind(path: Path) -> None:
    """No machine paths, no unfinished work, no banners, no swallowed errors."""
    text = path.read_text(encoding="utf-8")
    found = [match.group() for pattern in FORBIDDEN for match in pattern.finditer(text)]
    assert not found


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_modules_and_their_public_names_say_what_they_are(path: Path) -> None:
    """Public functions and classes have a docstring, modules open with their promise, names are not vague."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert path.name == "_version.py" or ast.get_docstring(tree), "no module docstring"
    bare = [node.name for node in _public(tree) if not ast.get_docstring(node) and "messages" not in path.parts]
    assert not bare
    assert path.stem not in VAGUE
    assert not {node.name.lower() for node in _public(tree)} & VAGUE


def _public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def test_every_error_has_an_exit_code_of_the_contract() -> None:
    """A shell can tell the faults apart."""
    kinds = [kind for kind in vars(dtcpos.errors).values() if isinstance(kind, type) and issubclass(kind, DtcposError)]
    assert {kind.exit_code for kind in kinds} == {1, 2, 3, 4, 5, 6}
    assert all(kind.__doc__ for kind in kinds)


def test_the_changelog_has_the_version() -> None:
    """What is released is written down."""
    assert f"\n## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_readme_gives_the_commands_the_gate_runs() -> None:
    """U5: what a newcomer types is what is checked."""
    readme, gate = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", ".ci/run"))
    for command in ("install -e '.[dev]'", "connect --demo", "pytest"):
        assert command in readme
    for command in ("-e '.[dev]'", "connect --demo", "bin/pytest"):
        assert command in gate


def test_lint_exemptions_give_their_reason() -> None:
    """Nothing is switched off without saying why."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text[text.index("ignore = [") : text.index("]", text.index("ignore = ["))]
    assert all("#" in line for line in block.splitlines()[1:] if line.strip())
    assert tomllib.loads(text)["tool"]["mypy"]["strict"] is True
