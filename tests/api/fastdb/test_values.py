"""Values of bodies: what can be read, and what is refused with its name."""

from __future__ import annotations

import datetime
import uuid
from typing import Any

import pytest

from broker_assets.api.fastdb import values
from broker_assets.api.fastdb.answers import FastdbError

ROOT = uuid.UUID("5f0c8a8e-0000-4000-8000-000000000000")


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (values.real("1.5", "n"), 1.5),
        (values.real(None, "n"), None),
        (values.whole("7", "n"), 7),
        (values.whole(7.0, "n"), 7),
        (values.yes(1, "n"), True),
        (values.yes(None, "n"), False),
        (values.objects(["1", 2]), [1, 2]),
        (values.objects(str(ROOT)), [ROOT]),
        (values.moment("2024-01-02", "n"), datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)),
        (values.text({"n": "a"}, "n"), "a"),
        (values.text({}, "n", "b"), "b"),
        (values.several(1), [1]),
        (values.time_of(60000.25 + 37 / 86400, "n"), datetime.datetime(2023, 2, 25, 6, tzinfo=datetime.UTC)),
    ],
)
def test_read(found: Any, wanted: Any) -> None:
    assert found == wanted


@pytest.mark.parametrize(
    "call",
    [
        lambda: values.real("inf", "n"),
        lambda: values.real("1_0", "n"),
        lambda: values.real(10**400, "n"),
        lambda: values.whole("１２", "n"),
        lambda: values.moment("0001-01-01T00:00:00+10:00", "n"),
        lambda: values.real(True, "n"),
        lambda: values.real([1], "n"),
        lambda: values.whole(1.5, "n"),
        lambda: values.whole("a", "n"),
        lambda: values.whole(2**31, "n", bits=32),
        lambda: values.yes("yes", "n"),
        lambda: values.yes(2, "n"),
        lambda: values.objects([]),
        lambda: values.objects([1, str(ROOT)], "n"),
        lambda: values.objects(list(range(values.MOST_OBJECTS + 1))),
        lambda: values.moment(7, "n"),
        lambda: values.identifier("a", "n"),
        lambda: values.text({"n": 7}, "n"),
        lambda: values.text({"n": "a\0"}, "n"),
        lambda: values.needed({"n": " "}, "n"),
        lambda: values.time_of(1e18, "n"),
    ],
)
def test_refused(call: Any) -> None:
    with pytest.raises(FastdbError) as told:
        call()
    assert told.value.status == 422
