"""Questions for stored messages."""

from __future__ import annotations

import pytest

from broker_assets.tom.messages.reading import BadQuestion, Question, question_of


def test_questions() -> None:
    assert question_of("", {"objectid": "5", "num": "7"}) == Question("source.diaobject_id", (5,), 0, 7)
    assert question_of("diaSourceId=1,2/num=5/offset=3/", {}) == Question("message.diasource_id", (1, 2), 3, 5)
    assert question_of("7/", {}) == Question(None, (7,))


@pytest.mark.parametrize(
    ("path", "parameters", "said"),
    [
        ("", {}, "by one of alertid"),
        ("a/b", {}, 'argument string "a"'),
        ("foo=1", {}, 'argument string "foo=1"'),
        ("alertid=x", {}, "'x' is not a number"),
        ("alertid=1/sourceid=2", {}, "by one of alertid"),
        ("alertid=1", {"num": "1001"}, "between 1 and 1000"),
        ("alertid=1", {"offset": "-1"}, "not negative"),
        ("99999999999999999999", {}, "64 bits"),
    ],
)
def test_bad_questions(path: str, parameters: dict[str, str], said: str) -> None:
    with pytest.raises(BadQuestion, match=said):
        question_of(path, parameters)
