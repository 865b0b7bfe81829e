"""What a service of apprise does not accept is reported without a part of its URL, whatever apprise writes."""

from __future__ import annotations

import logging

import pytest
from delivery_peers import receiver

from broker_assets.chat import BadChatAddressError, ChatFailedError, ChatService, plain

SECRET = "Zq7hSecret"


@pytest.mark.parametrize(
    "url",
    [
        f"slack://{SECRET}",
        f"slack://TTTTTTTTT/BBBBBBBBB/{SECRET}",
        f"nosuch://{SECRET}@host/{SECRET}",
        f"mailto://user:{SECRET}@127.0.0.1:1",
        f"ntfy://{SECRET}@127.0.0.1:1/topic",
        f"json://user:{SECRET}@127.0.0.1:1/{SECRET}?token={SECRET}",
        SECRET,
        f"{SECRET}:{SECRET}",
        "",
    ],
)
def test_no_part_of_a_url_is_logged_or_raised(
    url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        service = None
        try:
            service = ChatService(url)
        except BadChatAddressError as error:
            said = str(error)
        if service is not None:
            # Loading is enough for services outside: tests talk to loopback only.
            said = service.name
            if "127.0.0.1" in url:
                with pytest.raises(ChatFailedError) as caught:
                    service.send("title", "body")
                said += str(caught.value)
                assert not caught.value.reached
    seen = said + caplog.text + "".join(capfd.readouterr())
    assert SECRET not in seen
    assert not [record for record in caplog.records if record.name.startswith("apprise")]


@pytest.mark.parametrize("status", [404, 429, 500])
def test_the_status_of_an_answer_is_known(status: int) -> None:
    with receiver() as hook:
        hook.answer = lambda request: status
        with pytest.raises(ChatFailedError, match=f"error={status}") as caught:
            ChatService(f"json://127.0.0.1:{hook.port}/").send("title", "body", "warning")
    assert (caught.value.status, caught.value.reached) == (status, True)
    assert hook.requests[0].document["type"] == "warning"


def test_words_of_others_are_no_links_and_mention_nobody() -> None:
    hostile = "<!channel> <@U1>\n@everyone [a](http://b) `c` <http://b|a> 1 < 2"
    assert not set("<>`\n") & set(plain(hostile))
    assert "](" not in plain(hostile)
    assert "@everyone" not in plain(hostile)
    assert plain("r_psfFlux 12.5 *nearby* galaxy") == "r_psfFlux 12.5 *nearby* galaxy"
