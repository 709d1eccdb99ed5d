"""The questions of a diagnosis and the words made of the answers, without a socket and without waiting."""

from __future__ import annotations

import ssl
from decimal import Decimal

import pytest
from attrs import evolve

from dtcpos.client import Address
from dtcpos.diagnosis import Finding, Plan, Result, Sight, examine, findings_of
from dtcpos.diagnosis.interview import ACCOUNTS_MAX, SYMBOLS_MAX, Interview
from dtcpos.diagnosis.sight import Answers, Attempt, Definition, Market, Peer, Reach, Tls
from dtcpos.diagnosis.words import CHECKS, printable
from dtcpos.dtc import (
    Encoding,
    FeedStatus,
    Heartbeat,
    LogonResponse,
    MarketDataFeedStatus,
    MarketDataRequest,
    Message,
    PositionUpdate,
    SecurityDefinitionForSymbolRequest,
    SecurityDefinitionReject,
    TradeAccountResponse,
    UserMessage,
)
from dtcpos.keeping.sync import Ended, Outcome, Topic
from tests.sim.client import NOON, Room

HEARTBEAT_S = 5.0
TIMEOUT_S = 4.0
LOGON = LogonResponse(TradingIsSupported=1, ServerName="there")
COMPLETE = tuple(
    Ended(topic=topic, account="" if topic is Topic.ACCOUNTS else "1", outcome=Outcome.COMPLETE, accounts=("1",))
    for topic in Topic
)
SEEN = Sight(
    address="127.0.0.1:11099",
    port=11099,
    is_local=True,
    wants_tls=False,
    attempts=(Attempt(encoding=Encoding.BINARY, negotiate=True, peer=Peer.ADMITTED, spoken=Encoding.BINARY),),
    logon=LOGON,
    answers=Answers(ended=COMPLETE, heartbeats=1, drifts_s=(0.3,), prices=(("MES", Decimal("6850.25")),)),
)


def asked(script: str, **wishes: bool) -> tuple[Interview, list[Message]]:
    """Put the questions to a simulated venue, time passing by deadlines; return what was asked too."""
    room = Room(terms=script)
    client = room.connect()
    now = NOON
    facts = {"has_definitions": True, "has_market": True} | wishes
    interview = Interview(now=now, timeout_s=TIMEOUT_S, heartbeat_s=HEARTBEAT_S, **facts)  # type: ignore[arg-type]
    requests: list[Message] = []
    for _ in range(200):
        while (request := interview.next_request(now)) is not None:
            requests.append(request)
            for message in client.ask(request):
                interview.take(message, now)
        if interview.is_over(now):
            return interview, requests
        now = interview.next_deadline()
        interview.tick(now)
    raise AssertionError("the interview does not end")


TERMS = """
account 1
symbol MES tick 0.25 value 1.25
history 1 BUY 1 MES @ 6850.25 ago 1h
"""


def test_everything_is_asked_once() -> None:
    """S6: accounts, then for each history, positions and orders; then a definition and a subscription."""
    interview, requests = asked(TERMS)
    names = [request.name for request in requests]
    assert names == [
        "TRADE_ACCOUNTS_REQUEST",
        "HISTORICAL_ORDER_FILLS_REQUEST",
        "CURRENT_POSITIONS_REQUEST",
        "OPEN_ORDERS_REQUEST",
        "SECURITY_DEFINITION_FOR_SYMBOL_REQUEST",
        "MARKET_DATA_REQUEST",
    ]
    answers = interview.answers()
    assert [each.outcome for each in answers.ended] == [Outcome.COMPLETE] * 4
    assert answers.definitions == (Definition(symbol="MES", multiplier=Decimal(1), tick=Decimal("0.25")),)
    assert answers.market is not None
    assert answers.market.outcome == "snapshot"


def test_a_server_that_answers_nothing_is_left() -> None:
    """N11: each question is asked twice, given up, and remembered as unanswered; the interview ends."""
    interview, requests = asked(f"{TERMS}no-answer all\n")
    assert [request.name for request in requests] == ["TRADE_ACCOUNTS_REQUEST"] * 2
    (ended,) = interview.answers().ended
    assert ended.outcome is Outcome.UNANSWERED


def test_definitions_and_prices_that_are_not_answered() -> None:
    """What is not answered is given up in its time, and is no reason to leave out the next question."""
    interview, requests = asked(f"{TERMS}no-answer definitions market-data\n")
    assert [type(request) for request in requests[-2:]] == [SecurityDefinitionForSymbolRequest, MarketDataRequest]
    assert interview.answers().market == Market(symbol="MES", outcome="unanswered")
    assert interview.answers().definitions == ()
    _, requests = asked(TERMS, has_definitions=False, has_market=False)
    assert requests[-1].name == "OPEN_ORDERS_REQUEST"


def test_what_is_looked_at_is_bounded() -> None:
    """Many accounts and symbols teach no more than a few."""
    lines = [f"account A{number}" for number in range(9)]
    lines += [f"symbol S{number} tick 0.25 value 1" for number in range(9)]
    lines += [f"held A1 S{number} 1 @ 50" for number in range(9)]
    _, requests = asked("\n".join(lines))
    assert sum(request.name == "CURRENT_POSITIONS_REQUEST" for request in requests) == ACCOUNTS_MAX
    assert sum(isinstance(request, SecurityDefinitionForSymbolRequest) for request in requests) == SYMBOLS_MAX
    assert sum(isinstance(request, MarketDataRequest) for request in requests) == 1


def test_what_the_server_says_besides() -> None:
    """Heartbeats tell the server's time; notices, its feed and disabled accounts are noted."""
    interview = Interview(
        now=NOON, timeout_s=TIMEOUT_S, heartbeat_s=HEARTBEAT_S, has_definitions=False, has_market=False
    )
    for message in (
        Heartbeat(CurrentDateTime=int(NOON) + 60),
        Heartbeat(),
        MarketDataFeedStatus(Status=FeedStatus.UNAVAILABLE),
        UserMessage(UserMessage="read this"),
        SecurityDefinitionReject(RequestID=1, RejectText="no"),
        PositionUpdate(TradeAccount="1", Symbol="MES", Quantity=1, AveragePrice=50, Unsolicited=1),
    ):
        interview.take(message, NOON)
    request = interview.next_request(NOON)
    assert request is not None
    interview.take(
        TradeAccountResponse(
            RequestID=request.RequestID,  # type: ignore[attr-defined]
            TotalNumberMessages=1,
            MessageNumber=1,
            TradeAccount="1",
            TradingIsDisabled=1,
        ),
        NOON,
    )
    answers = interview.answers(lost="gone")
    assert (answers.heartbeats, answers.drifts_s, answers.feed_is_down) == (2, (60.5,), True)
    assert (answers.notices, answers.disabled, answers.prices, answers.lost) == (("read this",), ("1",), (), "gone")


def findings(sight: Sight) -> dict[str, Finding]:
    found = findings_of(sight)
    assert sorted(finding.check for finding in found) == sorted(CHECKS)
    return {finding.check: finding for finding in found}


def of(check: str, **answers: object) -> Finding:
    assert SEEN.answers is not None
    return findings(evolve(SEEN, answers=evolve(SEEN.answers, **answers)))[check]


def test_a_sound_server_has_no_remedies() -> None:
    """Every check is there, in order, and none asks for anything."""
    assert [finding.check for finding in findings_of(SEEN)] == list(CHECKS)
    assert {finding.result for finding in findings_of(SEEN)} == {Result.OK}
    assert not [finding for finding in findings_of(SEEN) if finding.remedy or finding.menu]


@pytest.mark.parametrize("reach", [Reach.REFUSED, Reach.TIMEOUT, Reach.UNKNOWN_HOST, Reach.UNREACHABLE])
@pytest.mark.parametrize("is_local", [True, False])
def test_the_first_fault_ends_the_examination(reach: Reach, is_local: bool) -> None:
    """What stands behind a fault is skipped, not guessed at."""
    found = findings(evolve(SEEN, reach=reach, reach_words="no", is_local=is_local, attempts=()))
    assert found["address"].result is Result.FAULT
    assert found["address"].remedy
    assert {finding.result for check, finding in found.items() if check != "address"} == {Result.SKIPPED}
    if reach is Reach.TIMEOUT and not is_local:
        assert "Allowed Incoming IPs" in found["address"].menu


@pytest.mark.parametrize("tls", [Tls.NOT_SPOKEN, Tls.UNTRUSTED, Tls.WRONG_NAME, Tls.OUT_OF_DATE, Tls.FAILED])
def test_every_failure_of_tls_has_a_remedy(tls: Tls) -> None:
    """Each by its own name."""
    finding = findings(evolve(SEEN, wants_tls=True, tls=tls, tls_words="what openssl says"))["tls"]
    assert finding.result is Result.FAULT
    assert "what openssl says" in finding.found
    assert finding.remedy


def test_across_a_network_without_tls() -> None:
    """A password would be read by anybody; on one machine plain is the rule."""
    assert findings(evolve(SEEN, is_local=False))["tls"].result is Result.WARNING


def test_a_line_that_ends_in_the_middle() -> None:
    """What was not answered because the line was lost is a fault; what was answered stands."""
    found = of("positions", ended=COMPLETE[:2], lost="the peer closed the connection")
    assert found.result is Result.FAULT
    assert "the line ended before the answer came (the peer closed the connection)" in found.found
    assert of("history", ended=COMPLETE[:2], lost="x").result is Result.OK


def test_the_worst_of_several_accounts_counts() -> None:
    """And the others are counted."""
    bad = [Ended(topic=Topic.POSITIONS, account=name, outcome=Outcome.CUT, text="1 of 3 messages") for name in "ABC"]
    found = of("positions", ended=(*COMPLETE, *bad))
    assert found.found.startswith("A: positions cut: 1 of 3 messages (and 2 accounts more)")


def test_unusable_contents_are_a_warning() -> None:
    """S5: a server that says nonsense answered all the same."""
    odd = evolve(COMPLETE[1], unusable=("Price nan of a historical fill",))
    assert of("history", ended=(COMPLETE[0], odd)).result is Result.WARNING


@pytest.mark.parametrize(
    ("prices", "market", "result"),
    [
        (["6850.25"], "6851.25", Result.OK),
        (["6850.25"], "685125", Result.FAULT),
        (["685025"], "6851.25", Result.FAULT),
        (["68.5"], "6851.25", Result.FAULT),
        (["685025", "685125", "685050"], None, Result.WARNING),
        (["685025", "685125"], None, Result.OK),
        (["-37.63"], "20", Result.OK),
        (["0"], "20", Result.OK),
        (["68.5", "6850.25"], None, Result.FAULT),
        (["0.25"], "12.5", Result.OK),
        (["100.25"], "1200.5", Result.OK),
    ],
)
def test_scales(prices: list[str], market: str | None, result: Result) -> None:
    """P5: a power of ten between two sources is no move of the market; what is near nothing proves nothing."""
    found = of(
        "prices",
        prices=tuple(("MES", Decimal(price)) for price in prices),
        market=Market(symbol="MES", outcome="snapshot", price=None if market is None else Decimal(market)),
        definitions=(Definition(symbol="MES", multiplier=Decimal(1), tick=Decimal("0.25")),),
    )
    assert found.result is result, found
    assert not found.remedy or found.menu.endswith("Real-Time Price Multiplier")


def test_the_best_heartbeat_counts() -> None:
    """A line that was busy for once makes no clock wrong; without a time there is nothing to say."""
    assert of("clock", drifts_s=(-45.0, -0.4)).result is Result.OK
    assert of("clock", drifts_s=()).found == "the server's heartbeats carry no time"
    assert of("clock", drifts_s=(), heartbeats=0).result is Result.SKIPPED


def test_a_feed_that_is_down() -> None:
    """The menu that connects it is named."""
    assert of("market_data", feed_is_down=True).menu == "File >> Connect to Data Feed"


def test_several_positions_in_one_symbol() -> None:
    """A server that keeps them apart is a warning: ours is their sum."""
    logon = LogonResponse(TradingIsSupported=1, UsesMultiplePositionsPerSymbolAndTradeAccount=1)
    assert findings(evolve(SEEN, logon=logon))["trading"].result is Result.WARNING


def failing(monkeypatch: pytest.MonkeyPatch, error: OSError, **plan: object) -> Sight:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("dtcpos.diagnosis.probing.Line", refuse)
    facts = {"address": Address(host="trading-pc"), "encodings": [(Encoding.BINARY, True)], "timeout_s": 0.1} | plan
    return examine(Plan(**facts), lambda: NOON)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "reach"),
    [
        (OSError(113, "No route to host"), Reach.UNREACHABLE),
        (TimeoutError("timed out"), Reach.TIMEOUT),
        (ConnectionRefusedError(111, "Connection refused"), Reach.REFUSED),
    ],
)
def test_why_a_machine_is_not_reached(monkeypatch: pytest.MonkeyPatch, error: OSError, reach: Reach) -> None:
    """S4: no route, no answer and a refusal are three things; with TLS asked for too."""
    assert failing(monkeypatch, error).reach is reach
    tls = Address(host="trading-pc", tls=ssl.create_default_context())
    assert failing(monkeypatch, error, address=tls).reach is reach


def certificate_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code, error.verify_message = code, "what openssl says."
    return error


def ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "handshake failed")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "tls"),
    [
        (certificate_error(10), Tls.OUT_OF_DATE),
        (certificate_error(9), Tls.OUT_OF_DATE),
        (certificate_error(62), Tls.WRONG_NAME),
        (certificate_error(18), Tls.UNTRUSTED),
        (ssl_error("WRONG_VERSION_NUMBER"), Tls.NOT_SPOKEN),
        (ssl_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), Tls.FAILED),
        (ConnectionResetError(104, "reset"), Tls.NOT_SPOKEN),
    ],
)
def test_what_a_failed_handshake_means(monkeypatch: pytest.MonkeyPatch, error: OSError, tls: Tls) -> None:
    """By OpenSSL's codes, of which the wording changes with its releases."""
    sight = failing(monkeypatch, error, address=Address(host="trading-pc", tls=ssl.create_default_context()))
    assert (sight.reach, sight.tls) == (Reach.CONNECTED, tls)
    assert findings(sight)["tls"].result is Result.FAULT


def test_what_others_say_is_printable() -> None:
    """No terminal is steered by a server's words."""
    assert printable("a\x1b[2Jb\nc\t\x07d") == "a [2Jb c d"
    assert len(printable("x" * 1000)) == 100
    assert printable(b"\xff\xfeHTTP") == "ÿþHTTP"
