"""Subscriptions over the REST interface of Google Pub/Sub, on a service on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import loopback_certificate
from pubsub_service import PROJECT, PubSubService

from broker_assets.resources.pubsub import PubSubSubscription, ender
from broker_assets.settings import Settings
from broker_assets.settings.stream import PubSubSettings
from broker_assets.stream.messages import SourceRefusedError, SourceUnavailableError, StreamEnds, TopicAbsentError
from broker_assets.stream.subscriptions import Subscription


@pytest.fixture
def service() -> Iterator[PubSubService]:
    with PubSubService() as running:
        yield running


def subscription(service: PubSubService, name: str = "elasticc-desc", **values: object) -> PubSubSubscription:
    return PubSubSubscription(PubSubSettings(project=PROJECT, url=service.url, **values), name)  # type: ignore[arg-type]


def test_messages_are_pulled_with_what_the_service_says_of_them(service: PubSubService) -> None:
    numbers = service.publish("elasticc-desc", b"\x00\xff", b"", alertId="7", survey="elasticc")
    opened = subscription(service)
    assert isinstance(opened, Subscription)
    first, second = opened.pull(10)
    assert [first.identity, second.identity] == numbers
    assert (first.timestamp_ms, first.value, second.value) == (1699185600123, b"\x00\xff", b"")
    assert first.attributes == b'{"alertId": "7", "survey": "elasticc"}'
    opened.acknowledge([first.acknowledgement])
    assert service.acknowledged == numbers[:1]
    assert opened.pull(10) == []
    opened.give_back([second])
    assert [one.identity for one in opened.pull(10)] == numbers[1:]
    opened.close()


def test_a_service_that_leaves_a_request_open_has_no_messages(service: PubSubService) -> None:
    service.publish("elasticc-desc")
    service.wait_seconds = 1.0
    assert subscription(service, pull_seconds=0.1).pull(1) == []


def test_what_goes_wrong_is_named(service: PubSubService) -> None:
    with pytest.raises(TopicAbsentError, match=f"projects/{PROJECT}/subscriptions/nothing: HTTP 404 Resource"):
        subscription(service, "nothing").pull(1)
    service.publish("elasticc-desc", b"1")
    service.fail = 1
    with pytest.raises(SourceUnavailableError, match="HTTP 503 The service was unable"):
        subscription(service).pull(1)
    (delivery,) = subscription(service).pull(1)
    service.lose = 1
    with pytest.raises(SourceUnavailableError, match="ConnectionError"):
        subscription(service).acknowledge([delivery.acknowledgement])
    other = PubSubSettings(project="another-project", url=service.url)
    with pytest.raises(SourceRefusedError, match="HTTP 403 User not authorized"):
        PubSubSubscription(other, "elasticc-desc").pull(1)
    away = PubSubSettings(project=PROJECT, url="http://127.0.0.1:1")
    with pytest.raises(SourceUnavailableError, match="does not answer"):
        PubSubSubscription(away, "elasticc-desc").pull(1)


def test_a_service_account_signs_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = loopback_certificate(tmp_path / "server.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with PubSubService(certificate) as service:
        service.publish("elasticc-desc", b"1")
        opened = subscription(service, credentials_file=service.write_key(tmp_path / "key.json"))
        assert [one.value for one in opened.pull(1)] == [b"1"]
        assert opened.pull(1) == []
        assert service.tokens == 1
        wrong = subscription(service, credentials_file=service.write_key(tmp_path / "wrong.json", right=False))
        with pytest.raises(SourceRefusedError, match="Invalid JWT Signature"):
            wrong.pull(1)
        (tmp_path / "broken.json").write_text('{"private_key": "secret"}')
        for name in ("broken.json", "absent.json"):
            with pytest.raises(SourceRefusedError, match=name) as raised:
                subscription(service, credentials_file=tmp_path / name)
            assert "secret" not in str(raised.value)


def test_a_waiting_message_is_seen_and_left(service: PubSubService) -> None:
    def kafka(*_: object) -> StreamEnds:
        return StreamEnds("kafka", {}, {})

    settings = PubSubSettings(project=PROJECT, url=service.url)
    location = Settings().broker_location("broker.p.s", "elasticc-desc", "", settings)
    service.publish("elasticc-desc", b"1", b"2")
    found = ender(kafka)(location, {0: 5})
    assert found.lag({0: 5}) == {0: 1}
    assert len(subscription(service).pull(10)) == 2
    assert ender(kafka)(location, {}).lag({}) == {0: 0}
    assert ender(kafka)(Settings().broker_location("broker.k.t", "t", ""), {}).topic == "kafka"
