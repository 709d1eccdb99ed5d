"""`dtcpos config`: where things are, every setting with its meaning, and changing them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from dtcpos.cli.jsonout import dumps
from dtcpos.cli.known_settings import KEYS, Key, explanation, key_path, toml_of
from dtcpos.cli.options import AsJson, Config, Db, ledger_path, load_settings, settings_path
from dtcpos.cli.shape import examples, new_app
from dtcpos.errors import SettingsError, UsageError
from dtcpos.notifying.urls import web_address
from dtcpos.settings import Settings, parsed, settings_text
from dtcpos.settings_editing import draft_of, faults_of, save, with_key, without_key
from dtcpos.toml_text import key_text, string_text

app = new_app()

EXPLANATION = explanation()

KeyName = Annotated[
    str, typer.Argument(metavar="KEY", help="server.port, accounts.NAME, instruments.SYMBOL.commission and so on.")
]


@app.callback(
    invoke_without_command=True,
    epilog=examples(
        "dtcpos config",
        "dtcpos config --explain > settings.toml",
        "dtcpos config set instruments.MES.commission 0.62",
        "dtcpos config show server",
    ),
)
def config(
    context: typer.Context,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print every setting, its default and its meaning.")
    ] = False,
    as_json: AsJson = False,
    db: Db = None,
    config: Config = None,
) -> None:
    """Show where the ledger and the settings are, and check the settings.

    What --explain prints is a valid settings file that changes nothing.
    """
    if context.invoked_subcommand is not None:
        context.obj = config
        return
    if explain:
        sys.stdout.write(EXPLANATION)
        return
    load_settings(config)
    places = {"ledger": ledger_path(db), "settings": settings_path(config)}
    if as_json:
        known = {name: {"path": str(path), "exists": path.exists()} for name, path in places.items()}
        print(dumps(known))
        return
    for name, path in places.items():
        print(f"{name:<9} {path}{'' if path.exists() else '  (not there yet)'}")


@app.command("show", epilog=examples("dtcpos config show", "dtcpos config show server.port"))
def show(
    context: typer.Context,
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="Only this key, or this table.")] = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Print what holds: every setting, whether the file says it or it is the default.

    Of a webhook only scheme and host are shown.
    """
    values = dict(_shown(load_settings(_place(context, config))))
    chosen = values
    if key is not None:
        chosen = {path: value for path, value in values.items() if path[: len(_words(key))] == _words(key)}
        if not chosen:
            key_path(key)
            raise UsageError(f"{key} is not set; `dtcpos config set {key} VALUE` sets it")
    if as_json:
        print(
            dumps(
                {".".join(path): _text(value) if isinstance(value, time) else value for path, value in chosen.items()}
            )
        )
    elif key is not None and _words(key) in chosen:
        print(_text(chosen[_words(key)]))
    else:
        for path, value in chosen.items():
            print(f"{'.'.join(map(key_text, path))} = {_toml(value)}")


@app.command(
    "set",
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        "dtcpos config set server.port 11100",
        "dtcpos config set 'accounts.EVAL-*' SIM",
        "dtcpos config set notify.events fill,trade,break",
    ),
)
def set_key(
    context: typer.Context,
    key: KeyName,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Without quotes of TOML; commas between several.")],
    config: Config = None,
) -> None:
    """Set one key in the settings file, and leave every other line and comment as it is.

    The file is made where there is none. Nothing is written unless the result is valid and differs from what was there
    in this key alone.
    """
    known, path = key_path(key)
    draft = draft_of(settings_path(_place(context, config)))
    text = with_key(draft.text, path, toml_of(known, value), str(draft.path))
    if text != draft.text or draft.content is None:
        save(draft, text)
    print(f"{key}: {_masked(known, value)}")


@app.command("unset", epilog=examples("dtcpos config unset server.port"))
def unset(context: typer.Context, key: KeyName, config: Config = None) -> None:
    """Take one key out of the settings file, so that its default holds again; comments stay."""
    known, path = key_path(key)
    draft = draft_of(settings_path(_place(context, config)))
    table: Any = parsed(draft.text, f"settings {draft.path}")
    for word in path:
        table = table.get(word) if isinstance(table, dict) else None
    if table is None:
        print(f"{key}: is not in {draft.path}")
        return
    save(draft, without_key(draft.text, path, str(draft.path)))
    print(f"{key}: {known.default or 'not set'}")


@app.command("edit", epilog=examples("dtcpos config edit", "EDITOR='code --wait' dtcpos config edit"))
def edit(context: typer.Context, config: Config = None) -> None:
    """Open the settings in your editor, and take what you wrote when it is valid.

    The editor is VISUAL, else EDITOR, else what the system has. It works on a copy; the settings are replaced in one
    step.
    """
    from dtcpos.cli.editor import edit_settings

    edit_settings(settings_path(_place(context, config)), EXPLANATION)


@app.command("check", epilog=examples("dtcpos config check", "dtcpos config check new-settings.toml"))
def check(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Another file than the settings.")] = None,
    config: Config = None,
) -> None:
    """Say everything that is wrong with the settings, with the numbers of the lines; exit code 2 where there is any."""
    path = file or settings_path(_place(context, config))
    if file is None and (_place(context, config)) is None and not path.exists():
        print(f"{path}: not there; the defaults hold")
        return
    text, _ = settings_text(path)
    faults = list(faults_of(text, str(path)))
    for line, fault in faults:
        print(f"{path}:{line}: {fault}" if line is not None else fault)
    if faults:
        raise SettingsError(f"settings {path}: {len(faults)} fault{'' if len(faults) == 1 else 's'}; correct the file")
    print(f"{path}: ok")


@app.command("path", epilog=examples("dtcpos config path", 'cp "$(dtcpos config path)" saved.toml'))
def path(context: typer.Context, config: Config = None) -> None:
    """Print where the settings file is, or would be."""
    print(settings_path(_place(context, config)))


def _place(context: typer.Context, config: Path | None) -> Path | None:
    """Return the --config that is meant: written behind the sub-command, else before it, else of the environment."""
    source = context.get_parameter_source("config")
    is_written = source is not None and source.name == "COMMANDLINE"
    place: Path | None = config if is_written else context.obj or config
    return place


def _words(key: str) -> tuple[str, ...]:
    try:
        return key_path(key)[1]
    except UsageError:
        return tuple(key.strip().split(".", 1))


def _shown(settings: Settings) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, mode in settings.accounts:
        yield ("accounts", name), mode
    for symbol, terms in settings.instruments.items():
        for key in KEYS:
            value = getattr(terms, key.name, None) if key.table == "instruments.SYMBOL" else None
            if value not in (None, ""):
                yield ("instruments", symbol, key.name), value
    for key in KEYS:
        if key.name == "NAME" or key.table == "instruments.SYMBOL":
            continue
        value = getattr(getattr(settings, key.table), key.name)
        yield (key.table, key.name), _masked(key, value)


def _masked(key: Key, value: Any) -> Any:
    if key.kind != "url" or not value:
        return value
    return f"{web_address(value).shown}/..."


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(value)
    return value.isoformat("minutes") if isinstance(value, time) and not value.second else str(value)


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(string_text, value))}]"
    if isinstance(value, bool | int | Decimal):
        return _text(value)
    return string_text(_text(value))
