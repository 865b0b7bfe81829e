"""Subscriptions of Google Pub/Sub over its REST interface (v1: `pull`, `acknowledge`, `modifyAckDeadline`).

Only contact with the service belongs here; deliveries are interpreted in `stream.subscriptions`. Credentials are those
that Google's own library reads: the key of a service account, or the defaults of the machine.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import requests
from google.auth import default
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.service_account import Credentials

from broker_assets.settings import StreamLocation
from broker_assets.settings.stream import PubSubSettings
from broker_assets.stream.messages import (
    MessageSource,
    SourceRefusedError,
    SourceUnavailableError,
    StreamEnds,
    TopicAbsentError,
)
from broker_assets.stream.subscriptions import PARTITION, Delivery, Subscription
from broker_assets.stream.topic_ends import Ends

SCOPE: Final = "https://www.googleapis.com/auth/pubsub"
AT_A_TIME: Final = 1000
"""Maximum number of messages per request that the service allows."""
CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
"""Time limit for the answer to requests that do not wait for messages."""


class PubSubSubscription:
    """A subscription; see `stream.subscriptions.Subscription`.

    Parameters
    ----------
    settings : PubSubSettings
        The project, and how to reach the service.
    name : str
        The subscription in the project.

    Raises
    ------
    SourceRefusedError
        If there are no usable credentials.
    """

    def __init__(self, settings: PubSubSettings, name: str) -> None:
        self._settings = settings
        self._address = f"{settings.url}/v1/projects/{settings.project}/subscriptions/{name}"
        self._name = f"projects/{settings.project}/subscriptions/{name}"
        self._session = _session(settings)

    def pull(self, most: int) -> list[Delivery]:
        """Return at most `most` messages; an empty list if none arrives within the time limit of the settings."""
        try:
            answer = self._ask("pull", {"maxMessages": min(most, AT_A_TIME)}, self._settings.pull_seconds)
        except requests.exceptions.ReadTimeout:
            return []
        received = answer.get("receivedMessages", [])
        try:
            return [_delivery(one) for one in received]
        except (AttributeError, KeyError, TypeError) as error:
            raise SourceUnavailableError(f"{self._name} is answered with something else than messages") from error

    def acknowledge(self, acknowledgements: Sequence[str]) -> None:
        """Acknowledge deliveries, so that the service forgets them."""
        self._send("acknowledge", acknowledgements, {})

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Return deliveries, so that the service sends them again at once."""
        self._send("modifyAckDeadline", [one.acknowledgement for one in deliveries], {"ackDeadlineSeconds": 0})

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _send(self, method: str, acknowledgements: Sequence[str], document: Mapping[str, Any]) -> None:
        for first in range(0, len(acknowledgements), AT_A_TIME):
            body = {"ackIds": list(acknowledgements[first : first + AT_A_TIME]), **document}
            try:
                self._ask(method, body, ANSWER_SECONDS)
            except requests.exceptions.ReadTimeout as error:
                raise SourceUnavailableError(f"Pub/Sub does not answer for {self._name}: no answer in time") from error

    def _ask(self, method: str, document: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        try:
            response = self._session.post(
                f"{self._address}:{method}", json=document, timeout=(CONNECT_SECONDS, seconds), allow_redirects=False
            )
        except requests.exceptions.ReadTimeout:
            raise
        except (requests.RequestException, TransportError) as error:
            raise SourceUnavailableError(f"Pub/Sub does not answer for {self._name}: {type(error).__name__}") from error
        except GoogleAuthError as error:
            raise SourceRefusedError(f"the credentials for {self._name} are refused: {error.args[0]}") from error
        if response.status_code != 200:
            raise _refusal(self._name, response)
        try:
            found = response.json()
        except ValueError as error:
            raise SourceUnavailableError(f"Pub/Sub answers for {self._name} with something else than JSON") from error
        return found if isinstance(found, dict) else {}


def opener(
    kafka: Callable[[StreamLocation], MessageSource],
) -> Callable[[StreamLocation], MessageSource | Subscription]:
    """Return a function that opens a subscription where a location is one, and calls `kafka` for all others."""

    def open_source(location: StreamLocation) -> MessageSource | Subscription:
        return kafka(location) if location.pubsub is None else PubSubSubscription(location.pubsub, location.topic)

    return open_source


def ender(kafka: Ends) -> Ends:
    """Return a function that finds where a stream ends, for subscriptions as well: one message later if any waits.

    The service does not report how many messages wait. One is taken and given back at once.
    """

    def ask(location: StreamLocation, positions: Mapping[int, int]) -> StreamEnds:
        if location.pubsub is None:
            return kafka(location, positions)
        subscription = PubSubSubscription(location.pubsub, location.topic)
        try:
            waiting = subscription.pull(1)
            if waiting:
                subscription.give_back(waiting)
        finally:
            subscription.close()
        position = positions.get(PARTITION, 0)
        return StreamEnds(location.topic, {PARTITION: position + len(waiting)}, {PARTITION: position})

    return ask


def _session(settings: PubSubSettings) -> requests.Session:
    if settings.url.startswith("http:"):
        return requests.Session()
    try:
        if settings.credentials_file is not None:
            path = str(settings.credentials_file)
            credentials: Any = Credentials.from_service_account_file(path, scopes=[SCOPE])  # type: ignore[no-untyped-call]
        else:
            credentials, _ = default(scopes=[SCOPE])
    except (GoogleAuthError, OSError, ValueError) as error:
        # Without the content of the file, which is secret.
        raise SourceRefusedError(
            f"credentials for Pub/Sub of {settings.project} are missing: {type(error).__name__} with "
            f"{settings.credentials_file or 'the default credentials of this machine'}"
        ) from None
    return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]


def _delivery(received: Mapping[str, Any]) -> Delivery:
    message = received["message"]
    data = message.get("data", "")
    try:
        value = base64.b64decode(data, validate=True)
    except binascii.Error:
        value = data.encode()
    attributes = message.get("attributes")
    return Delivery(
        received["ackId"], message["messageId"], _milliseconds(message.get("publishTime")),
        json.dumps(attributes, sort_keys=True).encode() if attributes else None, value,
    )  # fmt: skip


def _milliseconds(written: Any) -> int:
    """Convert a time of RFC 3339 to milliseconds since 1970 (UTC); -1 if it is not a time.

    Examples
    --------
    >>> _milliseconds("2023-11-05T12:00:00.123456789Z"), _milliseconds(None)
    (1699185600123, -1)
    """
    try:
        moment = datetime.datetime.fromisoformat(written)
    except (TypeError, ValueError):
        return -1
    return int(moment.timestamp() * 1000) if moment.tzinfo is not None else -1


def _refusal(name: str, response: requests.Response) -> SourceUnavailableError | SourceRefusedError:
    try:
        text = str(response.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        text = ""
    why = f"HTTP {response.status_code} {text}".strip()
    if response.status_code == 404:
        return TopicAbsentError(f"there is no {name}: {why}")
    if response.status_code in (408, 429) or response.status_code >= 500:
        return SourceUnavailableError(f"Pub/Sub does not answer for {name}: {why}")
    return SourceRefusedError(f"Pub/Sub refuses {name}: {why}")
