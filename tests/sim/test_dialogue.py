"""The dialogue language: everything it can say, and what it says to what it cannot mean."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.dtc import Encoding, OrderStatus, OrderType, OrderUpdate
from dtcpos.errors import UsageError
from dtcpos.model import Side
from dtcpos.sim import GRAMMAR, demo_dialogue, parse_dialogue, parse_line, read_dialogue, steps
from dtcpos.sim.dialogue import _TERMS
from dtcpos.sim.script import _STATEMENTS, Vocabulary
from dtcpos.sim.steps import Kind, Start

FIXTURES = Path(__file__).parents[2] / "fixtures" / "dialogues"


def step(text: str) -> steps.Step:
    known = Vocabulary(accounts={"Sim1"}, orders={"1001"}, executions={("Sim1", "E-1")})
    return parse_line(text, known)


def test_terms_of_the_venue_are_read() -> None:
    """What stands above the script becomes the terms, the rest keeps its default."""
    dialogue = parse_dialogue(
        """
        server "A server"   # a comment
        encoding json
        heartbeat 2
        trading off
        market-data off
        extremes on
        user ann secret
        ticks 147
        definitions 510
        history-order newest
        start quiet 500ms
        exchange CME
        account 120005 balance 25000 disabled
        account Sim1 no-position-after no-positions
        symbol MESZ26-CME tick 0.25 value 1.25 multiplier 0.01 currency EUR format 4 description "Micro E-mini #1"
        """
    )
    assert dialogue.server_name == "A server"
    assert dialogue.fixed_encoding is Encoding.JSON
    assert (dialogue.heartbeat_s, dialogue.quiet_s, dialogue.start) == (2.0, 0.5, Start.QUIET)
    assert (dialogue.trading, dialogue.market_data, dialogue.states_extremes) == (False, False, True)
    assert (dialogue.credentials, dialogue.tick_type, dialogue.newest_first) == (("ann", "secret"), 147, True)
    assert dialogue.definition_type == 510
    assert dialogue.exchanges == ("CME",)
    assert dialogue.accounts == (
        steps.AccountTerms(name="120005", balance=Decimal(25000), is_disabled=True),
        steps.AccountTerms(name="Sim1", states_after=False, states_positions=False),
    )
    assert dialogue.instruments == (
        steps.InstrumentTerms(
            symbol="MESZ26-CME",
            tick=Decimal("0.25"),
            value=Decimal("1.25"),
            multiplier=Decimal("0.01"),
            currency="EUR",
            price_format=4,
            description="Micro E-mini #1",
        ),
    )
    assert parse_dialogue("encoding automatic").fixed_encoding is None
    assert parse_dialogue("start logon").start is Start.LOGON


SAYS: list[tuple[str, steps.Step]] = [
    (
        "held Sim1 MNQ -2 @ 18200.25",
        steps.Held(account="Sim1", symbol="MNQ", signed_quantity=Decimal(-2), average_price=Decimal("18200.25")),
    ),
    (
        "fill Sim1 BUY 1 MES @ 5050.25 id E-2 history-id H-9 order 1001 of 2 ago 2h position 3",
        steps.Fill(
            account="Sim1",
            side=Side.BUY,
            quantity=Decimal(1),
            symbol="MES",
            price=Decimal("5050.25"),
            execution_id="E-2",
            history_id="H-9",
            order_id="1001",
            order_quantity=Decimal(2),
            ago_s=7200.0,
            position_after=Decimal(3),
        ),
    ),
    (
        "fill Sim1 SELL 0.001 CL @ -37.63 id - order - at 2026-11-20T14:30:01.250",
        steps.Fill(
            account="Sim1",
            side=Side.SELL,
            quantity=Decimal("0.001"),
            symbol="CL",
            price=Decimal("-37.63"),
            execution_id="",
            order_id="",
            at_s=1_795_185_001.25,
        ),
    ),
    (
        "burst 500 Sim1 MES @ 5050 rate 1000",
        steps.Burst(count=500, account="Sim1", symbol="MES", price=Decimal(5050), rate=1000.0),
    ),
    (
        "correct Sim1 E-1 quantity 2 @ 5051",
        steps.Correct(account="Sim1", execution_id="E-1", quantity=Decimal(2), price=Decimal(5051)),
    ),
    (
        "order Sim1 1002 SELL 2 MES stop-limit 5040 5039.75 parent 1001 oco 1003 status pending-child",
        steps.Order(
            account="Sim1",
            order_id="1002",
            side=Side.SELL,
            quantity=Decimal(2),
            symbol="MES",
            order_type=OrderType.STOP_LIMIT,
            price1=Decimal(5040),
            price2=Decimal("5039.75"),
            parent_id="1001",
            oco_id="1003",
            status=OrderStatus.PENDING_CHILD,
        ),
    ),
    (
        "order Sim1 1004 BUY 1 MES market",
        steps.Order(
            account="Sim1",
            order_id="1004",
            side=Side.BUY,
            quantity=Decimal(1),
            symbol="MES",
            order_type=OrderType.MARKET,
        ),
    ),
    (
        "replace 1001 price 5051 quantity 3 as 1005",
        steps.Replace(order_id="1001", price=Decimal(5051), quantity=Decimal(3), new_id="1005"),
    ),
    ("cancel 1001", steps.Cancel(order_id="1001")),
    ("refuse-order 1001 not enough margin", steps.RefuseOrder(order_id="1001", text="not enough margin")),
    (
        "position Sim1 MES 3 @ 0",
        steps.Restate(account="Sim1", symbol="MES", signed_quantity=Decimal(3), average_price=Decimal(0)),
    ),
    ("restate", steps.RestateAll()),
    ("repeat last", steps.Repeat(is_all=False)),
    ("repeat all", steps.Repeat(is_all=True)),
    ("tick MES 5051.25 x 3", steps.Tick(symbol="MES", price=Decimal("5051.25"), volume=Decimal(3))),
    ("quote MES 5051 5051.25", steps.Quote(symbol="MES", bid=Decimal(5051), ask=Decimal("5051.25"))),
    ('say "two  blanks"', steps.Say(text="two  blanks")),
    (
        "send ORDER_UPDATE Symbol=MES LastFillPrice=0.5 OrderStatus=7",
        steps.Send(message=OrderUpdate(Symbol="MES", LastFillPrice=0.5, OrderStatus=7)),
    ),
    ("away cancel 1001", steps.Away(step=steps.Cancel(order_id="1001"))),
    ("wait 20ms", steps.Wait(seconds=0.02)),
    ("wait 3", steps.Wait(seconds=3.0)),
    ("await", steps.Await()),
    ("stop", steps.Stop(reason="finished")),
    ("stop demo finished", steps.Stop(reason="demo finished")),
    ("drop", steps.Drop()),
    ("drop after 7 messages", steps.Drop(after_messages=7)),
    ("cut 5", steps.Cut(octets=5)),
    ("cut-batch history after 3 stay", steps.CutBatch(kind=Kind.HISTORY, messages=3, stays=True)),
    ("silent", steps.Silent()),
    ("reject history positions no way", steps.Reject(kinds=(Kind.HISTORY, Kind.POSITIONS), text="no way")),
    ("no-answer accounts orders", steps.NoAnswer(kinds=(Kind.ACCOUNTS, Kind.ORDERS))),
    ("answer all", steps.Answer(kinds=tuple(Kind))),
    ("refuse-logon no-reconnect go away", steps.RefuseLogon(text="go away", forbids_reconnect=True)),
    ("refuse-logon later", steps.RefuseLogon(text="later")),
    ("reconnect-to 127.0.0.1:4000", steps.ReconnectTo(address="127.0.0.1:4000")),
    ("admit", steps.Admit()),
    ("logoff no-reconnect bye", steps.Logoff(reason="bye", forbids_reconnect=True)),
    ("garbage 0100 ff", steps.Garbage(octets=b"\x01\x00\xff")),
]


@pytest.mark.parametrize(("text", "meant"), SAYS, ids=[text for text, _ in SAYS])
def test_every_statement_says_what_it_says(text: str, meant: steps.Step) -> None:
    """A line of the script becomes one frozen step."""
    assert step(text) == meant


def test_every_statement_is_tested_and_explained() -> None:
    """The grammar that `simulate --help` prints leaves nothing out."""
    tested = {text.split()[0] for text, _ in SAYS}
    same = {"history": "fill", "history-burst": "burst"}
    assert {same.get(verb, verb) for verb in _STATEMENTS} == tested
    for word in [*_STATEMENTS, *_TERMS, *Kind]:
        assert word in GRAMMAR


def test_reject_all_leaves_out_what_has_no_reject() -> None:
    """Requests for accounts and exchanges cannot be refused in DTC, only left unanswered."""
    rejection = step("reject all")
    assert isinstance(rejection, steps.Reject)
    assert not {Kind.ACCOUNTS, Kind.EXCHANGES} & set(rejection.kinds)
    assert rejection.text == "request rejected"


ERRORS = [
    ("fly", "unknown statement 'fly'", "write one of"),
    ("fill Sim2 BUY 1 MES @ 5", "unknown account 'Sim2'", "account Sim2"),
    ("fill Sim1 LONG 1 MES @ 5", "'LONG' is no side", "BUY, SELL"),
    ("fill Sim1 BUY 0 MES @ 5", "quantity 0 is not above zero", "positive"),
    ("fill Sim1 BUY x MES @ 5", "'x' is no quantity", "decimal number"),
    ("fill Sim1 BUY 1 MES 5", "'5' where '@' was expected", "'@'"),
    ("fill Sim1 BUY 1 MES", "the end of the line where '@'", "'@'"),
    ("fill Sim1 BUY 1 MES @ nan", "'nan' is no price", "decimal number"),
    ("fill Sim1 BUY 1 MES @ 5 at noon", "'noon' is no time", "2026-11-20T14:30:01.250"),
    ("fill Sim1 BUY 1 MES @ 5 ago soon", "'soon' is no duration", "2h"),
    ("fill Sim1 BUY 1 MES @ 5 loudly", "unknown word 'loudly'", "leave it out"),
    ("fill Sim1 BUY 1", "symbol is missing", "add symbol"),
    (f"fill Sim1 BUY 1 {'S' * 64} @ 5", "does not fit", "63 characters"),
    ("fill Sim1 BUY 1 MES @ 5 id €", "does not fit", "Latin-1"),
    ("correct Sim1 E-7 @ 5", "unknown execution 'E-7'", "fill Sim1"),
    ("cancel 7", "unknown order '7'", "order ACCOUNT 7"),
    ("cancel 1001 now", "unknown word 'now'", "leave it out"),
    ("order Sim1 1 BUY 1 MES maybe", "'maybe' is no order type", "market, limit"),
    ("order Sim1 1 BUY 1 MES market gtc", "unknown word 'gtc'", "leave it out"),
    ("replace 1001 gently", "unknown word 'gently'", "leave it out"),
    ("reject accounts", "accounts cannot be rejected", "no-answer accounts"),
    ("no-answer", "kind of request is missing", "add kind of request"),
    ("drop after x messages", "'x' is no number of messages", "whole number"),
    ("garbage xyz", "'xyz' is no bytes in hexadecimal", "0100ff"),
    ("away say hello", "'say' cannot happen away", "fill, burst"),
    ("say", "text is missing", "add text"),
    ("send NOTHING", "'NOTHING' is no message", "write one of"),
    ("send HEARTBEAT Time", "'Time' is no field with a value", "FIELD=VALUE"),
    ("send HEARTBEAT Time=1", "HEARTBEAT has no field 'Time'", "CurrentDateTime"),
    ("send HEARTBEAT CurrentDateTime=x", "'x' is no number", "write a number"),
    ("send HEARTBEAT NumDroppedMessages=-1", "NumDroppedMessages", "fits the field"),
    ("# nothing", "nothing to do", "tick"),
]


@pytest.mark.parametrize(("text", "wrong", "remedy"), ERRORS, ids=[text[:30] for text, _, _ in ERRORS])
def test_what_cannot_be_meant_is_refused(text: str, wrong: str, remedy: str) -> None:
    """U4: an error names the value and the remedy."""
    with pytest.raises(UsageError) as caught:
        step(text)
    assert wrong in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "wrong"),
    [
        ("account A\naccount A", 2, "declared twice"),
        ("symbol S tick 1 value 1\nsymbol S tick 1 value 1", 2, "declared twice"),
        ("account A loud", 1, "unknown word 'loud'"),
        ("symbol S tick 1 value 1 loud", 1, "unknown word 'loud'"),
        ("\n\ntick MES 1", 3, "cannot stand before the script"),
        ("--\n--", 2, "a second separator"),
        ("trading maybe", 1, "'maybe' is no switch"),
        ("encoding morse", 1, "'morse' is no encoding"),
        ("--\ncancel 5", 2, "unknown order '5'"),
        ("account A\norder A 1 BUY 1 S market\n--\nreplace 1 as 2\ncancel 1", 5, "unknown order '1'"),
    ],
)
def test_an_error_names_file_and_line(text: str, line: int, wrong: str) -> None:
    """U4: who wrote the dialogue can go to the place."""
    with pytest.raises(UsageError, match=rf"^mine\.txt, line {line}: .*{wrong}"):
        parse_dialogue(text, name="mine.txt")


def test_names_told_earlier_may_be_used_later() -> None:
    """An order's new id and an execution's id are known from their line on."""
    dialogue = parse_dialogue(
        """
        account A
        history A BUY 1 MES @ 5 id E-1
        order A 1 BUY 1 MES limit 5
        --
        replace 1 as 2
        cancel 2
        correct A E-1 @ 6
        """
    )
    assert len(dialogue.before) == 2
    assert len(dialogue.script) == 3


def test_a_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    """A missing file and bytes that are no text are the caller's mistake, told in one line."""
    with pytest.raises(UsageError, match=r"nowhere\.txt.*give the path"):
        read_dialogue(tmp_path / "nowhere.txt")
    (tmp_path / "noise.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="give the path of a text file"):
        read_dialogue(tmp_path / "noise.txt")


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.txt")), ids=lambda path: path.stem)
def test_dialogues_of_the_fixtures_can_be_read(path: Path) -> None:
    """Every dialogue that ships with the tests is one the parser understands."""
    assert read_dialogue(path).name == path.name


def test_the_demo_shows_what_a_trader_knows() -> None:
    """U5: both kinds of account, a bracket, a lost line, and an end by itself."""
    demo = demo_dialogue()
    assert [account.name for account in demo.accounts] == ["120005", "Sim1"]
    assert {type(step) for step in demo.script} >= {steps.Order, steps.Fill, steps.Tick, steps.Drop, steps.Await}
    assert demo.script[-1] == steps.Stop(reason="demo finished")
    assert 3 < sum(step.seconds for step in demo.script if isinstance(step, steps.Wait)) < 8
