"""The settings file."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from pathlib import Path

import pytest

from dtcpos.cli.config import EXPLANATION
from dtcpos.errors import SettingsError
from dtcpos.settings import Guards, ServerSettings, Settings, Terms, TradingDay, read_settings


def written(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    """An absent or empty settings file is valid."""
    assert read_settings(written(tmp_path, "")) == Settings()
    assert Settings().guards.one_position_per_account
    assert Settings().trading_day == TradingDay(timezone="America/Chicago", start=time(17))


def test_every_table_is_read(tmp_path: Path) -> None:
    """Each key arrives where it belongs; numbers keep their digits, accounts their order."""
    text = """
        [accounts]
        "EVAL-*" = "sim"
        "120005" = "LIVE"
        [instruments.MES]
        point_value = 5
        tick = 0.25
        commission = 0.620
        [instruments."6EZ26-CME"]
        multiplier = 0.0001
        currency = "USD"
        [trading_day]
        timezone = "Europe/Berlin"
        start = 08:00:00
        [guards]
        one_position_per_account = false
        [server]
        host = "10.0.0.2"
        port = 11100
        encoding = "json"
        symbols = ["MESZ26-CME", "MNQZ26-CME"]
        [notify]
        on_event = "notify-send"
    """
    settings = read_settings(written(tmp_path, text))
    assert settings.accounts == (("EVAL-*", "SIM"), ("120005", "LIVE"))
    assert settings.instruments == {
        "MES": Terms(point_value=Decimal(5), tick=Decimal("0.25"), commission=Decimal("0.620")),
        "6EZ26-CME": Terms(multiplier=Decimal("0.0001"), currency="USD"),
    }
    assert str(settings.instruments["MES"].commission) == "0.620"
    assert settings.trading_day == TradingDay(timezone="Europe/Berlin", start=time(8))
    assert settings.guards == Guards(one_position_per_account=False)
    assert settings.server == ServerSettings(
        host="10.0.0.2", port=11100, encoding="json", symbols=("MESZ26-CME", "MNQZ26-CME")
    )
    assert settings.notify.on_event == "notify-send"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[acounts]", "acounts is not a setting; did you mean accounts?"),
        ("[guards]\none_position = true", "did you mean one_position_per_account?"),
        ("[server]\nzzz = 1", "server.zzz is not a setting; known are host, port"),
        ("[instruments.MES]\npointvalue = 5", "did you mean point_value?"),
        ("[instruments]\nMES = 5", "must be a table"),
        ("server = 5", "must be a table"),
        ("[server]\nport = 70000", "server.port = 70000 must be a whole number from 1 to 65535"),
        ("[server]\nport = true", "must be a whole number"),
        ("[server]\nencoding = 'morse'", "must be one of auto, binary"),
        ("[server]\ntls = 'yes'", "must be true or false"),
        ("[server]\nhost = 5", "must be text"),
        ("[server]\nsymbols = 'MES'", "must be a list of texts"),
        ("[server]\nsymbols = ['MES', '']", "must be a list of texts"),
        ("[trading_day]\ntimezone = 'Mars/Olympus'", "is not a known time zone"),
        ("[trading_day]\nstart = '25:00'", "must be a time of day"),
        ("[instruments.MES]\npoint_value = 0", "must be greater than zero"),
        ("[instruments.MES]\ntick = nan", "must be a number"),
        ("[instruments.MES]\ntick = 'a'", "must be a number"),
        ("[accounts]\nX = 'ALL'", "is not a mode"),
        ("[accounts]\nX = 3", "must be text"),
        ("[server", "not valid TOML"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Unknown keys are refused with the nearest known name; wrong values with the value and what is wanted."""
    path = written(tmp_path, text)
    with pytest.raises(SettingsError) as refusal:
        read_settings(path)
    assert message in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_a_file_that_cannot_be_read_is_a_refusal(tmp_path: Path) -> None:
    """One line with the path, never a traceback."""
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(tmp_path / "absent.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(binary)


def test_the_explanation_is_a_settings_file_that_changes_nothing(tmp_path: Path) -> None:
    """Every key is explained with its default, and the explanation itself is valid."""
    assert read_settings(written(tmp_path, EXPLANATION)) == Settings()
    uncommented = "\n".join(
        line.removeprefix("# ") if line.startswith(("# [", "# point", "# tick", "# mult", "# comm", "# curr")) else line
        for line in EXPLANATION.splitlines()
    )
    assert read_settings(written(tmp_path, uncommented)).instruments["MES"].point_value == 5


def test_trading_days_have_no_gap_and_no_overlap() -> None:
    """P10: each moment belongs to exactly one day, around both changes of the clock."""
    day = TradingDay()
    for start in (date(2026, 3, 6), date(2026, 10, 30)):
        for offset in range(5):
            current = date.fromordinal(start.toordinal() + offset)
            first = day.starts_at(current)
            assert day.day_of(first) == current
            assert day.day_of(first.fromtimestamp(first.timestamp() - 0.001, first.tzinfo)).toordinal() == (
                current.toordinal() - 1
            )
