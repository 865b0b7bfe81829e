"""Sources of annotators: each kind makes annotations of true messages of its broker."""

from __future__ import annotations

import json
from typing import Any

import pytest
from broker_messages import Sent, alerce, ampel_report, antares, babamul, fink, hopskotch

from broker_assets.annotations.content import BadAnnotation, annotation
from broker_assets.annotations.forms import documents
from broker_assets.annotations.sources import KINDS, BadSource, checked_source

LASAIR = Sent(None, json.dumps({"objectId": 7, "topic": "anno_t", "classification": "kilonova"}).encode(), [])


@pytest.mark.parametrize(
    ("kind", "topic", "sent", "expected"),
    [
        ("lasair", "anno_t", LASAIR, (7, "kilonova", "0.1", {}, "")),
        (
            "fink", "fink_sn_candidates_lsst", fink(7),
            (7, "fink_sn_candidates_lsst", "8.2",
             {"classification": "fink_sn_candidates_lsst",
              "classifiers": {"cats_class": 11, "snnSnVsOthers_score": 0.75}}, ""),
        ),
        (
            "ampel", "ampel.lsst.extragalactic-transients", hopskotch(ampel_report(7, SNIa=0.8, AGN=0.2)),
            (7, "SNIa", "0.1", {"P(AGN)": 0.2, "P(SNIa)": 0.8}, ""),
        ),
        (
            "ampel", "ampel.lsst.extragalactic-infants",
            hopskotch({"object": {"id": 7}, "features": [{"features": {"age": 1.5}}]}, "avro"),
            (7, "ampel.lsst.extragalactic-infants", "0.1", {"age": 1.5}, ""),
        ),
        (
            "hopskotch", "anybody", hopskotch({"diaObjectId": 7, "classification": "SN", "classdict": {"p": 1}}),
            (7, "SN", "0.1", {"p": 1}, ""),
        ),
        (
            "babamul", "babamul.lsst.no-ztf-match.hosted", babamul(7),
            (7, "babamul.lsst.no-ztf-match.hosted", "0.1", {"rate": None, "rock": False}, ""),
        ),
        (
            "antares", "client.fast", antares({"ztf_object_id": "ZTF18abcdefg"}, ["fast_riser", "sn"]),
            (42, "fast_riser", "0.1", {"catalogs": ["gaia_dr3_gaia_source"], "tags": ["fast_riser", "sn"]},
             "https://antares.noirlab.edu/loci/ANT2026abc"),
        ),
        ("alerce", "lc_classifier", alerce(7, SNIa=0.9, AGN=0.1), (7, "SNIa", "lc_2", {"AGN": 0.1, "SNIa": 0.9}, "")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_true_message_becomes_an_annotation(kind: str, topic: str, sent: Sent, expected: tuple[Any, ...]) -> None:
    source = checked_source("t", {"kind": kind, "topics": [topic]})
    [document] = documents(source.form, sent.key, sent.value, source.fields.first_members)
    said = annotation("t", source.fields.annotation(document, topic), named=lambda name: 42)
    found = (said.diaobjectid, said.classification, said.version, json.loads(said.classdict), said.url)
    assert found == expected


@pytest.mark.parametrize("kind", ["json", "avro"])
def test_a_score_that_is_no_number_costs_no_annotation_of_another_broker(kind: str) -> None:
    source = checked_source("t", {"kind": "ampel", "topics": ["a"]})
    sent = hopskotch(ampel_report(7, SNIa=0.8, AGN=float("nan"), TDE=float("-inf")), kind)
    [document] = documents(source.form, sent.key, sent.value, source.fields.first_members)
    said = annotation("t", source.fields.annotation(document, "a"))
    assert (said.classification, json.loads(said.classdict)) == (
        "SNIa",
        {"P(AGN)": None, "P(SNIa)": 0.8, "P(TDE)": None},
    )


def test_of_a_document_that_is_the_annotation_such_a_score_is_refused() -> None:
    source = checked_source("t", {"kind": "hopskotch", "topics": ["a"]})
    sent = hopskotch({"diaObjectId": 7, "classification": "SN", "classdict": {"p": float("nan")}})
    [document] = documents(source.form, sent.key, sent.value, source.fields.first_members)
    with pytest.raises(BadAnnotation, match="classdict cannot be written as JSON"):
        annotation("t", source.fields.annotation(document, "a"))


def test_a_source_overrides_what_its_kind_is() -> None:
    source = checked_source(
        "t", {"kind": "fink", "cluster": "mirror", "topics": "one", "fields": {"classification": "=SN"}}
    )
    assert (source.cluster, source.topics, source.fields.places["classification"]) == ("mirror", ("one",), "=SN")
    assert source.fields.places["object"] == KINDS["fink"].fields["object"]
    assert checked_source("t", {"kind": "lasair", "topics": ["a", "b", "a"]}).topics == ("a", "b")
    assert checked_source("t", {"kind": "none"}).topics == ()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"kind": "fink"}, "needs topics"),
        ({"kind": "fink", "topics": []}, "needs topics"),
        ({"kind": "fink", "topics": ["no topic"]}, "cannot be a Kafka topic"),
        ({"kind": 3}, "no kind"),
        ({"password": "x"}, "no password"),
        ({"form": "morse"}, "no form"),
        ({"cluster": 3}, "cluster"),
        ({"fields": "x"}, "not a table"),
        ({"fields": {"object": "x"}}, "need object and classification"),
    ],
)
def test_sources_that_cannot_be_read_are_refused(source: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSource, match=message):
        checked_source("t", source)
