"""Classes, classifiers and their results: the taxonomy, and messages of brokers."""

from __future__ import annotations

import html
from typing import Any, Final

import orjson
from fastapi import Request
from fastapi.responses import PlainTextResponse, Response

from broker_assets.access.permissions import ELASTICC_BROKER
from broker_assets.api.authentication import accounts_of
from broker_assets.api.conflicts import again
from broker_assets.api.connections import Connections
from broker_assets.api.site.frame import page
from broker_assets.api.tom.answers import Json, TomError
from broker_assets.api.tom.bodies import Body, parsed
from broker_assets.api.tom.entrance import admitted, needs
from broker_assets.tom.messages.forms import BadMessage, uploaded
from broker_assets.tom.messages.reading import BadQuestion, Question, question_of, read_messages
from broker_assets.tom.messages.storing import StoredMessages
from broker_assets.tom.messages.uploading import store_upload

_FIELDS: Final = ("brokername", "brokerversion", "classifiername", "classifierparams")


def classes(request: Request) -> Response:
    """Classes of the current taxonomy, with the simulated models for which each is correct."""
    admitted(request, "login")
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        rows = connection.execute(
            "SELECT class.classid, exactmatch, categorymatch, broadmatch, generalmatch, class.description,"
            " coalesce((SELECT array_agg(gentype ORDER BY gentype) FROM elasticc2_classidofgentype AS match"
            " WHERE match.classid = class.classid), '{}') FROM taxonomy_classes AS class"
            " JOIN taxonomy_versions USING (taxonomy, version) WHERE taxonomy = 'elasticc2' AND in_force ORDER BY 1"
        ).fetchall()
    names = ("exactmatch", "categorymatch", "broadmatch", "generalmatch", "description", "gentype")
    return Json({str(row[0]): dict(zip(names, row[1:], strict=True)) for row in rows})


def _classifiers(request: Request) -> list[tuple[Any, ...]]:
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        return connection.execute(
            "SELECT classifier_id, brokername, brokerversion, classifiername, classifierparams"
            " FROM elasticc2_brokerclassifier ORDER BY classifier_id"
        ).fetchall()


def classifiers(request: Request) -> Response:
    """The classifiers of brokers by their numbers."""
    admitted(request, "login")
    return Json({str(row[0]): dict(zip(_FIELDS, row[1:], strict=True)) for row in _classifiers(request)})


def classifiers_page(request: Request) -> Response:
    """The same as a page."""
    admitted(request, "login")
    rows = sorted(_classifiers(request), key=lambda row: [text or "" for text in row[1:]])
    return page(request, "tom/classifiers.html", rows=rows)


def upload(request: Request, body: Body) -> Response:
    """Store classifications; known ones are not stored again."""
    user = admitted(request, writing=True)
    needs(request, user, ELASTICC_BROKER)
    try:
        messages = uploaded(parsed(body, "The body is not JSON: "))
    except BadMessage as error:
        raise TomError(str(error)) from None
    done = _store(request, messages, user.username, body)
    path = request.url.replace(query="", fragment="")
    address = f"{str(path).rstrip('/')}/{done.first}"
    content = {"brokerMessageId": done.first, "num_loaded": done.stored, "num_known": done.duplicate}
    if done.differing:
        content["num_differing"] = done.differing
    return Response(orjson.dumps(content), 201, {"Location": address}, media_type="application/json")


def upload_of_first_campaign(request: Request) -> Response:
    """The first campaign is over."""
    user = admitted(request, writing=True)
    needs(request, user, ELASTICC_BROKER)
    return PlainTextResponse("ELAsTiCC is over, posting classifications is disabled.", 403)


def _store(request: Request, messages: Any, username: str, content: bytes) -> StoredMessages:
    """Store messages, again if another upload conflicts."""

    def attempt() -> StoredMessages:
        with accounts_of(request) as connection, connection.transaction():
            return store_upload(connection, messages, username=username, content=content)

    return again(attempt)


def stored_messages(request: Request) -> Response:
    """Stored messages: one by its number, or those about alerts, detections or objects, page by page."""
    admitted(request)
    return Json(_answer(request, asked(request)))


def asked(request: Request) -> Question:
    """The query in the address of a request for messages.

    Raises
    ------
    TomError
        If it is not valid.
    """
    try:
        return question_of(request.path_params.get("what", ""), dict(request.query_params))
    except BadQuestion as error:
        raise TomError(html.unescape(str(error))) from None


def _answer(request: Request, question: Question) -> dict[str, Any]:
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        return read_messages(connection, question)
