"""Dialogues: a trading session written as text, one line a message or an action.

`parse_dialogue` turns text into a frozen `Dialogue`, `parse_line` one line of a script into a step. Whatever cannot
be meant raises UsageError with file, line, the text and the remedy. `GRAMMAR` is the language in full.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from dtcpos.dtc import Encoding
from dtcpos.errors import UsageError
from dtcpos.sim.script import Vocabulary, parse_step
from dtcpos.sim.steps import AccountTerms, Dialogue, InstrumentTerms, Start, Step
from dtcpos.sim.words import Words

GRAMMAR = """\
One line is one statement. `#` begins a comment, "double quotes" hold a text with blanks together. Prices are display
prices, times are ISO-8601 (UTC), durations are seconds or 20ms, 30m, 2h, 3d. [brackets] may be left out.

The venue, above the line `--`:
  server NAME                      encoding automatic|binary|vls|json|compact      heartbeat SECONDS (besides the asked)
  trading on|off                   market-data on|off                      user NAME PASSWORD
  ticks 107|112|134|137|142|146|147    history-order oldest|newest         extremes on|off    (high and low in 304, 306)
  start quiet [SECONDS]|logon|connect      when the script begins: a client asked nothing for a while (0.2 s), logged
                                           on, or connected
  account NAME [balance MONEY] [no-position-after] [no-positions] [disabled]
  symbol SYMBOL tick T value V [multiplier M] [currency USD] [format 2] [description TEXT]      value: money per tick
  exchange NAME                    definitions 507|510

Before the script, in the order of time:
  held ACCOUNT SYMBOL QUANTITY @ PRICE                     a position whose fills nobody knows any more
  history ACCOUNT BUY|SELL QUANTITY SYMBOL @ PRICE [...]   a fill of the past; the words of `fill`
  history-burst COUNT ACCOUNT SYMBOL @ PRICE               many of them, one a second
  order ..., reject ..., no-answer ..., cut-batch ..., refuse-logon ..., reconnect-to ...      as below

The script, below the line `--`; it runs once, and every client hears it:
  fill ACCOUNT BUY|SELL QUANTITY SYMBOL @ PRICE [id ID] [history-id ID] [order ID] [of ORDER_QUANTITY]
                                        [at TIME] [ago DURATION] [position QUANTITY]     ID `-` is an id not given
  burst COUNT ACCOUNT SYMBOL @ PRICE [rate PER_SECOND]
  correct ACCOUNT ID [quantity QUANTITY] @ PRICE           the same execution id with other content
  order ACCOUNT ID BUY|SELL QUANTITY SYMBOL market|limit P|stop P|stop-limit STOP LIMIT [parent ID] [oco ID]
                                                           [status open|pending-open|pending-child|...]
  replace ID [price P] [quantity Q] [as NEW_ID]            cancel ID           refuse-order ID TEXT
  position ACCOUNT SYMBOL QUANTITY @ PRICE                 the venue's position changes without a fill
  restate                                                  tell every position again
  repeat last|all                                          send live fills again
  tick SYMBOL PRICE [x VOLUME]                             quote SYMBOL BID ASK
  say TEXT                                                 send MESSAGE_NAME FIELD=VALUE ...
  away STATEMENT                                           fill, burst, order ... told to nobody
  wait DURATION                                            await     (until a client is there)
  stop [REASON]                                            log off for good, end the server

Faults:
  drop [after N messages]          cut BYTES (of the next frame, then close)            silent (heartbeats too)
  cut-batch KIND after N [stay]    reject KINDS [TEXT]    no-answer KINDS               answer KINDS
  refuse-logon [no-reconnect] TEXT     reconnect-to HOST:PORT     admit     logoff [no-reconnect] REASON
  garbage HEX
KINDS: accounts history positions orders balances exchanges definitions market-data, or all
"""

SEPARATOR = "--"
_TICK_TYPES = {str(number): number for number in (107, 112, 134, 137, 142, 146, 147)}
_SWITCH = {"on": True, "off": False}
_ENCODINGS: dict[str, Encoding | None] = {"automatic": None} | {encoding.word: encoding for encoding in Encoding}
# attrs.evolve takes the changes by name, and the names differ from statement to statement.
_Terms = dict[str, Any]
_BEFORE = frozenset(
    "held history history-burst order reject no-answer answer cut-batch refuse-logon reconnect-to".split()
)


def read_dialogue(path: Path) -> Dialogue:
    """Read a dialogue from a file; raise UsageError where it cannot be read or meant."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the dialogue {str(path)!r}: {error}: give the path of a text file") from error
    return parse_dialogue(text, name=path.name)


def demo_dialogue() -> Dialogue:
    """Return the session that ships with dtcpos and that `connect --demo` speaks."""
    text = resources.files("dtcpos.sim").joinpath("dialogues/demo.txt").read_text(encoding="utf-8")
    return parse_dialogue(text, name="demo.txt")


def parse_dialogue(text: str, *, name: str = "dialogue") -> Dialogue:
    """Return the dialogue a text stands for; raise UsageError with line, text and remedy otherwise."""
    draft = _Draft(Dialogue(name=name))
    for number, line in enumerate(text.splitlines(), 1):
        words = Words(line, place=f"{name}, line {number}")
        if not words:
            continue
        if words.follows(SEPARATOR):
            words.end()
            if draft.in_script:
                words.fail("a second separator", "leave it out: one script per dialogue")
            draft.in_script = True
        elif draft.in_script:
            draft.script.append(parse_step(words, draft.vocabulary))
        else:
            _take_before(words, draft)
    return evolve(draft.dialogue, before=tuple(draft.before), script=tuple(draft.script))


def parse_line(text: str, vocabulary: Vocabulary) -> Step:
    """Return the step one line of a script stands for; raise UsageError where it cannot be meant."""
    words = Words(text, place="step")
    if not words:
        words.fail("nothing to do", "write a statement such as `tick MESZ26-CME 6850.25`")
    return parse_step(words, vocabulary)


@define
class _Draft:
    dialogue: Dialogue
    before: list[Step] = field(factory=list)
    script: list[Step] = field(factory=list)
    vocabulary: Vocabulary = field(factory=Vocabulary)
    in_script: bool = False


def _take_before(words: Words, draft: _Draft) -> None:
    verb = words.word("statement")
    if verb in _TERMS:
        draft.dialogue = evolve(draft.dialogue, **_TERMS[verb](words, draft.dialogue))
        words.end()
        draft.vocabulary.accounts = {account.name for account in draft.dialogue.accounts}
    elif verb in _BEFORE:
        draft.before.append(parse_step(Words(words.text, place=words.place), draft.vocabulary))
    else:
        words.fail(
            f"{verb!r} cannot stand before the script", f"write it below a line {SEPARATOR!r}, or check its name"
        )


def _account(words: Words, dialogue: Dialogue) -> _Terms:
    account = AccountTerms(name=words.word("account name", size_max=31))
    if any(known.name == account.name for known in dialogue.accounts):
        words.fail(f"account {account.name!r} is declared twice", "leave one of the lines out")
    while words:
        if words.follows("balance"):
            account = evolve(account, balance=words.decimal("balance"))
        elif words.follows("no-position-after"):
            account = evolve(account, states_after=False)
        elif words.follows("no-positions"):
            account = evolve(account, states_positions=False)
        elif words.follows("disabled"):
            account = evolve(account, is_disabled=True)
        else:
            words.end()
    return {"accounts": (*dialogue.accounts, account)}


def _symbol(words: Words, dialogue: Dialogue) -> _Terms:
    symbol = words.word("symbol")
    if any(known.symbol == symbol for known in dialogue.instruments):
        words.fail(f"symbol {symbol!r} is declared twice", "leave one of the lines out")
    words.expect("tick")
    tick = words.positive("tick")
    words.expect("value")
    instrument = InstrumentTerms(symbol=symbol, tick=tick, value=words.positive("value"))
    while words:
        if words.follows("multiplier"):
            instrument = evolve(instrument, multiplier=words.positive("multiplier"))
        elif words.follows("currency"):
            instrument = evolve(instrument, currency=words.word("currency", size_max=7))
        elif words.follows("format"):
            instrument = evolve(instrument, price_format=words.count("price format"))
        elif words.follows("description"):
            instrument = evolve(instrument, description=words.word("description"))
        else:
            words.end()
    return {"instruments": (*dialogue.instruments, instrument)}


def _start(words: Words, dialogue: Dialogue) -> _Terms:
    start = words.choice("start", {start.value: start for start in Start})
    quiet_s = words.seconds("quiet period") if start is Start.QUIET and words else dialogue.quiet_s
    return {"start": start, "quiet_s": quiet_s}


_TERMS: dict[str, Callable[[Words, Dialogue], _Terms]] = {
    "server": lambda words, _: {"server_name": words.word("server name", size_max=59)},
    "trading": lambda words, _: {"trading": words.choice("switch", _SWITCH)},
    "market-data": lambda words, _: {"market_data": words.choice("switch", _SWITCH)},
    "extremes": lambda words, _: {"states_extremes": words.choice("switch", _SWITCH)},
    "encoding": lambda words, _: {"fixed_encoding": words.choice("encoding", _ENCODINGS)},
    "heartbeat": lambda words, _: {"heartbeat_s": words.seconds("interval")},
    "user": lambda words, _: {
        "credentials": (words.word("user name", size_max=31), words.word("password", size_max=31))
    },
    "ticks": lambda words, _: {"tick_type": words.choice("tick type", _TICK_TYPES)},
    "definitions": lambda words, _: {"definition_type": words.choice("definition type", {"507": 507, "510": 510})},
    "history-order": lambda words, _: {"newest_first": words.choice("order", {"oldest": False, "newest": True})},
    "start": _start,
    "account": _account,
    "symbol": _symbol,
    "exchange": lambda words, dialogue: {"exchanges": (*dialogue.exchanges, words.word("exchange", size_max=15))},
}
