"""`annotate` and `annotatelist` as in Lasair's REST interface."""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from broker_assets.api.authentication import accounts_of, caller
from broker_assets.api.documents import Document
from broker_assets.api.parameters import BadRequestError, Parameters, Text, checked

router = APIRouter(prefix="/api", tags=["Lasair"])

MOST: Final = 10_000
"""Most annotations in a list."""
TOPIC: Final = "fast_annotations"
"""Topic that answers name: the one through which Lasair receives annotations. Here they are written at once."""


class Annotation(BaseModel):
    """Parameters of `annotate`."""

    topic: Text = Field(max_length=255)
    objectId: Text  # noqa: N815
    classification: Text
    version: Text | None = None
    explanation: Text = ""
    classdict: str | dict[str, Any] | None = None
    url: Text = ""


class Annotations(BaseModel):
    """Parameters of `annotatelist`."""

    annotations: list[Annotation] = Field(max_length=MOST)


@router.post("/annotate/", response_class=Document)
def annotate(request: Request, given: Parameters) -> Response:
    """Annotate an object. The annotation is stored before the answer; filters that use the annotator run within
    seconds."""
    message = _message(checked(Annotation, given))
    _write(request, given, [message])
    said = {"status": "success", "annotation_topic": TOPIC, "message": json.dumps(message, ensure_ascii=False)}
    return Document(said)


@router.post("/annotatelist/", response_class=Document)
def annotate_list(request: Request, given: Parameters) -> Response:
    """Annotate many objects; it stops at the first annotation that is refused, and those before it are stored."""
    messages = [_message(item) for item in checked(Annotations, given).annotations]
    return Document({"status": "success", "n": _write(request, given, messages)})


def _message(asked: Annotation) -> dict[str, Any]:
    classdict = asked.classdict or "{}"
    return {
        "diaObjectId": asked.objectId,
        **asked.model_dump(exclude={"objectId", "classdict"}),
        "classdict": classdict if isinstance(classdict, str) else json.dumps(classdict),
    }


def _write(request: Request, given: dict[str, Any], messages: list[dict[str, Any]]) -> int:
    from broker_assets.stream.annotation_followup import annotate as write

    who = caller(request, given.get("token"), writing=True)
    with accounts_of(request) as connection:
        written = write(connection, who.user.username, messages)
    if written.refusal is not None:
        number = len(written.outcomes)
        place = f"annotation {number + 1} of {len(messages)}: " if len(messages) > 1 else ""
        raise BadRequestError(f"{place}{written.refusal}")
    return len(written.outcomes)
