"""The configuration repository: channels by date, and what is said where it lacks something."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from broker_assets.telemetry.inputs.configuration import CHANNELS, ConfigurationError, InstrumentConfiguration

INDEX = (
    "index, start_date, end_date, sci_chan_file\n"
    "0, 2020-01-01T00:00:00, 2021-06-01T00:00:00, first.csv\n"
    "1, 2021-06-01T00:00:00, none, second.csv\n"
    "2, 2022-01-01T00:00:00, none, \n"
)


def channels(path: Path, step: float, *, lines: int = CHANNELS) -> None:
    """A table of channels of equal width, the last without upper end."""
    rows = [f"{i},{i},x,{step * i},{step * (i + 1) if i < CHANNELS - 1 else 'maxADC'},{step},1,0" for i in range(lines)]
    path.write_text("comment\n" * 20 + "Channel Number,,,Elower,Eupper \n" + "\n".join(rows) + "\n\n")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "detector").mkdir()
    (tmp_path / "VERSION.TXT").write_text(" v1.2.3 \nsecond line\n")
    (tmp_path / "detector/science_echan_index.csv").write_text("\ufeff" + INDEX)
    channels(tmp_path / "detector/first.csv", 4.0)
    channels(tmp_path / "detector/second.csv", 5.0)
    return tmp_path


def test_channels_change_at_their_date(repository: Path) -> None:
    configuration = InstrumentConfiguration(repository)
    before = configuration.channels_at(np.datetime64("2021-05-31T23:59:59"))
    after = configuration.channels_at(np.datetime64("2021-06-01"))
    assert (before.file, after.file) == ("first.csv", "second.csv")
    assert before.lower.tolist() == [4.0 * i for i in range(CHANNELS)]
    assert after.upper[:-1].tolist() == [5.0 * (i + 1) for i in range(CHANNELS - 1)]
    assert np.isnan(after.upper[-1])
    assert configuration.channels_at(np.datetime64("2030-01-01")) is after
    assert configuration.version == "v1.2.3"


def test_columns_are_found_by_their_titles(repository: Path) -> None:
    before = InstrumentConfiguration(repository).channels_at(np.datetime64("2020-06-01"))
    path = repository / "detector/first.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("\n".join(",".join([*reversed(line[3:5]), "more", *line[:3]]) for line in lines if len(line) > 4))
    after = InstrumentConfiguration(repository).channels_at(np.datetime64("2020-06-01"))
    np.testing.assert_array_equal(after.lower, before.lower)
    np.testing.assert_array_equal(after.upper, before.upper)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Elower,Eupper", "E_low,E_high", "has no line with the columns channel number, elower, eupper"),
        ("Elower,Eupper", "Elower,Elower", "has no line with the columns"),
        ("\n7,7,x,28.0,32.0", "\n7,7,x,32.0,28.0", "does not begin"),
        ("\n7,7,x,28.0,32.0", "\n7,7,x,28.0,31.0", "channel 7 ends at 31.0 keV, where channel 8 does not begin"),
        ("\n7,7,x,28.0,32.0", "\n7,7,x,28.0,n/a", "does not give all 32 energy channels"),
        ("\n7,7,x,28.0,32.0", "\n7,7", "channel 6 ends at 28.0 keV"),
    ],
)
def test_a_table_of_something_else_is_an_error(repository: Path, old: str, new: str, reason: str) -> None:
    path = repository / "detector/first.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigurationError, match=reason):
        InstrumentConfiguration(repository).channels_at(np.datetime64("2020-06-01"))


@pytest.mark.parametrize("date", ["NaT", "soon", "2020-13-01", ""])
def test_a_date_that_cannot_be_read_is_an_error(repository: Path, date: str) -> None:
    path = repository / "detector/science_echan_index.csv"
    path.write_text(INDEX.replace("2020-01-01T00:00:00", date))
    with pytest.raises(ConfigurationError, match="a date that cannot be read"):
        InstrumentConfiguration(repository).channels_at(np.datetime64("2020-06-01"))


def test_a_time_without_a_table_is_an_error(repository: Path) -> None:
    with pytest.raises(ConfigurationError, match="0 tables of energy channels are valid at 2019"):
        InstrumentConfiguration(repository).channels_at(np.datetime64("2019-12-31"))


def test_two_tables_at_once_are_an_error(repository: Path) -> None:
    path = repository / "detector/science_echan_index.csv"
    path.write_text(INDEX.replace("2021-06-01T00:00:00, first", "none, first"))
    with pytest.raises(ConfigurationError, match="2 tables"):
        InstrumentConfiguration(repository).channels_at(np.datetime64("2022-01-01"))


def test_a_table_lacks_channels(repository: Path) -> None:
    channels(repository / "detector/second.csv", 5.0, lines=31)
    with pytest.raises(ConfigurationError, match=r"second\.csv does not give all 32"):
        InstrumentConfiguration(repository).channels_at(np.datetime64("2022-01-01"))


@pytest.mark.parametrize("missing", ["VERSION.TXT", "detector/science_echan_index.csv", "detector/second.csv"])
def test_what_is_missing_is_named(repository: Path, missing: str) -> None:
    (repository / missing).unlink()
    configuration = InstrumentConfiguration(repository)

    def use() -> None:
        assert configuration.version
        configuration.channels_at(np.datetime64("2022-01-01"))

    with pytest.raises(ConfigurationError, match=missing.rsplit("/", 1)[-1]):
        use()


def test_an_empty_version_is_an_error(repository: Path) -> None:
    (repository / "VERSION.TXT").write_text("")
    with pytest.raises(ConfigurationError, match=r"VERSION\.TXT cannot be read"):
        assert InstrumentConfiguration(repository).version
