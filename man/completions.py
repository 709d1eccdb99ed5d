"""Write the completion files of the shells: `python man/completions.py`, or `--check` to see whether they are current.

Each is Typer's own script for the command, in the file its shell looks for when the wheel has put it under `share`.
Which words there are is asked of the command itself, so the files change only with Typer.
"""

from __future__ import annotations

import sys
from pathlib import Path

from typer._completion_shared import get_completion_script

FOLDER = Path(__file__).parent / "completion"
# PowerShell has no folder it looks into: its file is named in the person's profile.
FILES = {
    "bash": "bash/dtcpos",
    "zsh": "zsh/_dtcpos",
    "fish": "fish/dtcpos.fish",
    "powershell": "powershell/dtcpos.ps1",
}
_ZSH_REGISTERS = "compdef _dtcpos_completion dtcpos"
# Loaded from a folder of functions the file is the body of the very function that was asked, and must answer too.
_ZSH_ANSWERS = f"""\
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _dtcpos_completion "$@"
else
  {_ZSH_REGISTERS}
fi"""


def scripts() -> dict[str, str]:
    """Return every file by its path below the folder."""
    found = {}
    for shell, name in FILES.items():
        script = get_completion_script(prog_name="dtcpos", complete_var="_DTCPOS_COMPLETE", shell=shell)
        found[name] = script.replace(_ZSH_REGISTERS, _ZSH_ANSWERS) + "\n"
    return found


def main() -> int:
    """Write the files, or with --check say which are not current."""
    expected = scripts()
    present = {
        path.relative_to(FOLDER).as_posix(): path.read_text(encoding="utf-8")
        for path in FOLDER.rglob("*")
        if path.is_file()
    }
    changed = sorted(name for name in expected.keys() | present.keys() if expected.get(name) != present.get(name))
    if "--check" in sys.argv[1:]:
        for name in changed:
            print(f"man/completion/{name} is not current; run `python man/completions.py`")
        return bool(changed)
    for name in changed:
        path = FOLDER / name
        if name in expected:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(expected[name], encoding="utf-8", newline="\n")
        else:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
