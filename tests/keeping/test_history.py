"""What an answer about history says that earlier answers did not: hours told before are passed over, and only those."""

from __future__ import annotations

from collections.abc import Iterable

from dtcpos.dtc import BuySell, HistoricalOrderFillResponse
from dtcpos.keeping.history import News, news_of
from tests.pair import Pair

HOUR_S = 3600
NOON = 1_780_056_000
TERMS = "account Sim1\nsymbol MES tick 0.25 value 1.25"


def told(number: int, *, hour: int = 0, **words: object) -> HistoricalOrderFillResponse:
    """A historical fill in an hour after noon, one lot a second."""
    facts = {
        "MessageNumber": number,
        "Symbol": "MES",
        "BuySell": BuySell.BUY,
        "Price": 5000.0 + number,
        "DateTime": NOON + hour * HOUR_S + number,
        "Quantity": 1.0,
        "UniqueExecutionID": f"H-{number}",
        "ServerOrderID": f"{number}",
    }
    return HistoricalOrderFillResponse(**(facts | words))


def ids(news: News) -> list[str]:
    return [fill.execution_id for fill in news.fills]


def again(first: Iterable[HistoricalOrderFillResponse], *then: HistoricalOrderFillResponse) -> News:
    """What a second answer says after one was booked whole."""
    return news_of(list(then), account="Sim1", known=news_of(list(first), account="Sim1").digests)


def test_the_first_answer_is_read_whole() -> None:
    """N3: nothing is known, so everything is news."""
    assert ids(news_of([told(1), told(2, hour=1)], account="Sim1")) == ["H-1", "H-2"]


def test_an_answer_that_repeats_itself_has_no_news() -> None:
    """F6, N2: what was told and booked is not read again, whatever its place in the answer and the answer's number."""
    first = [told(1), told(2, hour=1)]
    renumbered = [told(1, RequestID=7, TotalNumberMessages=2), told(2, hour=1, MessageNumber=9)]
    assert again(first, *renumbered) == News()


def test_a_new_execution_has_its_hour_read_and_the_hour_before() -> None:
    """N3: the hour before is read too, so that a gap between the two shows."""
    first = [told(1), told(2, hour=1), told(3, hour=2)]
    assert ids(again(first, *first, told(4, hour=2))) == ["H-2", "H-3", "H-4"]


def test_an_hour_that_says_something_else_is_read() -> None:
    """N8: another content of an execution told before is news."""
    first = [told(1), told(2, hour=1), told(3, hour=2)]
    assert ids(again(first, told(1), told(2, hour=1, Price=4999.0), told(3, hour=2))) == ["H-1", "H-2"]


def test_an_hour_in_another_order_is_read() -> None:
    """N10: the order of an answer places executions within a second, so it is part of what was said."""
    first = [told(1, DateTime=NOON), told(2, DateTime=NOON)]
    assert ids(again(first, *first[::-1])) == ["H-2", "H-1"]


def test_an_answer_newest_first_is_turned_by_the_whole_of_it() -> None:
    """N3: also where only an hour of one second is read, which shows no direction by itself."""
    late = [told(3, hour=1, DateTime=NOON + HOUR_S), told(2, hour=1, DateTime=NOON + HOUR_S)]
    first = news_of([*late, told(1)], account="Sim1")
    assert ids(first) == ["H-1", "H-2", "H-3"]
    assert [fill.place for fill in first.fills] == [0, 0, 1]


def test_what_cannot_be_meant_is_counted() -> None:
    """S5: the rest of the hour stands."""
    news = news_of([told(1), told(2, Price=float("nan"))], account="Sim1")
    assert (ids(news), len(news.unusable)) == (["H-1"], 1)


def come_back(pair: Pair) -> Pair:
    return pair.crash().settle()


def digests(pair: Pair) -> dict[int, bytes]:
    return pair.repository.history_digests("Sim1")


def test_sessions_with_nothing_new_leave_everything_as_it_was() -> None:
    """N2: fills, positions, trades and what is remembered of the hours."""
    pair = Pair(terms=TERMS).fill("+1 MES @ 5000", id="E-1", away=True).fill("+1 MES @ 5001", id="E-2", away=True)
    pair.connect().settle()
    before = (pair.repository.content_hash(), digests(pair))
    assert before[1]
    for _ in range(3):
        come_back(pair)
    assert (pair.repository.content_hash(), digests(pair)) == before


def test_a_fill_missed_in_an_hour_told_before_is_found() -> None:
    """N3: the hour has another digest, so it is read and the missing execution booked."""
    pair = Pair(terms=TERMS).fill("+1 MES @ 5000", id="E-1", away=True)
    pair.connect().settle().lose()
    pair.fill("+1 MES @ 5001", id="E-2", away=True)
    pair.connect().settle()
    assert pair.fills() == ["Sim1 +1 MES @ 5000 E-1", "Sim1 +1 MES @ 5001 E-2"]


def test_an_hour_with_a_gap_is_read_every_time() -> None:
    """N3: what is missing is told in the next session too."""
    pair = Pair(terms=TERMS).fill("+1 MES @ 5000", id="E-1", away=True).fill("+1 MES @ 5001", id="E-2", away=True)
    pair.connect().settle().lose()
    pair.fill("+1 MES @ 5002", id="E-3", away=True, position=5)
    pair.connect().settle()
    told_first = len(pair.alerts("gap"))
    come_back(pair)
    assert (told_first, len(pair.alerts("gap"))) == (1, 2)


def test_accounts_not_followed_are_not_remembered_as_told() -> None:
    """N3: what one session was told not to book, the next may have to."""
    terms = f"{TERMS}\naccount Sim2"
    pair = Pair(terms=terms, accounts=("Sim1",))
    pair.fill("+1 MES @ 5000", id="E-1", account="Sim2", away=True).connect().settle()
    assert pair.fills() == []
    pair.options = {}
    pair.crash().settle()
    assert pair.fills() == ["Sim2 +1 MES @ 5000 E-1"]
