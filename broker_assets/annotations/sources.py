"""The sources of annotations: cluster, Kafka topics, format of the messages, and their fields.

A source is a small document in the row of the annotator (`annotators.source`); what it omits comes from its kind. The
kinds are the known brokers; all are read by the same loop. Secrets are not part of it: a source names a cluster in the
settings (`annotations.clusters`), which have servers and credentials.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from broker_assets.annotations.fields import FieldError, Fields, checked_fields
from broker_assets.annotations.forms import FORMS

OWN: Final = ""
"""The cluster of the platform itself."""
_KAFKA_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_KEYS: Final = frozenset({"kind", "cluster", "topics", "form", "fields"})


class BadSource(ValueError):
    """The source of an annotator cannot be used; the message says why."""


@dataclass(frozen=True)
class Source:
    """A complete source of annotations."""

    kind: str
    cluster: str
    """Name of a cluster in the settings; `OWN` is that of the platform."""
    topics: tuple[str, ...]
    """Kafka topics."""
    form: str
    """Format of messages, one of `forms.FORMS`."""
    fields: Fields
    """The values of a document that make up the annotation."""


@dataclass(frozen=True)
class _Kind:
    form: str
    fields: Mapping[str, Any]
    cluster: str
    topics: tuple[str, ...] = ()


KINDS: Final[Mapping[str, _Kind]] = MappingProxyType(
    {
        # Lasair's messages: the document is the annotation.
        "lasair": _Kind("json", {}, OWN),
        "fink": _Kind(
            "keyed-avro",
            {
                "object": "diaObject.diaObjectId|diaSource.diaObjectId|diaObjectId|objectId",
                "classification": "@topic",
                "version": "fink_science_version|fink_broker_version",
                "classdict": {"classification": "@topic", "classifiers": "clf"},
            },
            "fink",
        ),
        "hopskotch": _Kind("hopskotch", {}, "hopskotch"),
        "ampel": _Kind(
            "hopskotch",
            {
                "object": "object.id|object.external_id",
                "classification": "max:classification.0.models.0.probabilities|@topic",
                "classdict": "classification.0.models.0.probabilities|features.0.features",
            },
            "hopskotch",
        ),
        "babamul": _Kind(
            "avro",
            {"object": "objectId", "classification": "@topic", "classdict": "classifications|properties"},
            "babamul",
        ),
        "antares": _Kind(
            "zlib-bson",
            {
                "object": "properties.lsst_diaObjectId|properties.lsst_dia_object_id|properties.ztf_object_id",
                "classification": "tags.0|@topic",
                "classdict": {"tags": "tags", "catalogs": "catalogs"},
                "url": "=https://antares.noirlab.edu/loci/{id}",
            },
            "antares",
        ),
        "alerce": _Kind(
            "avro",
            {
                "object": "oid|objectId|diaObjectId",
                "classification": "max:lc_classification.probabilities|max:probabilities",
                "version": "classifier_version|model_version",
                "classdict": "lc_classification.probabilities|probabilities",
            },
            "alerce",
        ),
        # Only through the API or by command.
        "none": _Kind("json", {}, OWN),
    }
)
"""Defaults of each kind, which a source can override."""


def checked_source(topic: str, source: Mapping[str, Any] | None) -> Source:
    """The source of an annotator, complete.

    Parameters
    ----------
    topic : str
        The annotator.
    source : mapping or None
        `kind` (one of `KINDS`), `topics` (Kafka topics), and if they are not those of the kind: `cluster`, `form`,
        `fields` (see `fields.checked_fields`). None is Lasair's messages on the topic `anno_<topic>`.

    Raises
    ------
    BadSource
        The message says what is wrong.

    Examples
    --------
    >>> checked_source("fastfinder", None).topics
    ('anno_fastfinder',)
    >>> checked_source("fink_sn", {"kind": "fink", "topics": ["fink_sn_candidates_lsst"]}).form
    'keyed-avro'
    """
    given = dict(source or {})
    unknown = given.keys() - _KEYS
    if unknown:
        raise BadSource(f"a source has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(_KEYS))}")
    name = given.get("kind", "lasair")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise BadSource(f"there is no kind of source {name!r}; there are {', '.join(KINDS)}")
    form = given.get("form", kind.form)
    if form not in FORMS:
        raise BadSource(f"there is no form of messages {form!r}; there are {', '.join(FORMS)}")
    cluster = given.get("cluster", kind.cluster)
    if not isinstance(cluster, str):
        raise BadSource("cluster is not the name of a cluster of the settings")
    fields = given.get("fields") or {}
    if not isinstance(fields, Mapping):
        raise BadSource("fields is not a table of names and places")
    try:
        checked = checked_fields({**kind.fields, **fields})
    except FieldError as error:
        raise BadSource(str(error)) from None
    return Source(name, cluster, _topics(topic, name, given.get("topics")), form, checked)


def _topics(topic: str, kind: str, given: Any) -> tuple[str, ...]:
    if kind == "none":
        return ()
    if given is None and kind == "lasair":
        return (f"anno_{topic}",)
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list | tuple) or not given:
        raise BadSource(f"a source of kind {kind} needs topics: the Kafka topics to read")
    for item in given:
        if not isinstance(item, str) or not _KAFKA_TOPIC.fullmatch(item):
            raise BadSource(f"{item!r} cannot be a Kafka topic")
    return tuple(dict.fromkeys(given))
