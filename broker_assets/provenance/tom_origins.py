"""Where the rows of the target and observation manager come from; `origins` has those of the broker.

Reports of brokers come from a Kafka message or from an upload, in a batch of the ledger. Roll-ups name the message from
which they are derived. The simulated survey is an asset whose inputs are the files from which it was loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from broker_assets.provenance.origin_parts import Part, batch_part, file_part, json_part, survey_part


def _said(message: str, joins: str = "") -> tuple[Part, ...]:
    """The message or upload of a row of `elasticc2_brokermessage`, which `joins` may find, and its batch."""
    return (
        Part(
            "message",
            json_part(
                f"{message}.kafka_partition IS NOT NULL",
                topic=f"{message}.topicname",
                partition=f"{message}.kafka_partition",
                offset=f"{message}.streammessage_id",
            ),
            joins,
            required=False,
        ),
        Part(
            "file",
            json_part(
                "upload.ingestid IS NOT NULL",
                name="'upload by ' || upload.username",
                sha256="upload.sha256",
                at="upload.received_at",
            ),
            f"LEFT JOIN message_uploads AS upload ON upload.ingestid = {message}.ingestid",
            required=False,
        ),
        batch_part(f"{message}.ingestid"),
    )


def _message(condition: str) -> str:
    """The oldest message that satisfies a condition, found by an index."""
    return (
        "LEFT JOIN LATERAL (SELECT one.* FROM elasticc2_brokermessage AS one"  # noqa: S608
        f" WHERE {condition} ORDER BY one.brokermessage_id LIMIT 1) AS message ON true"
    )


_SURVEY: Final = (survey_part(),)

TOM_ROUTES: Final[Mapping[str, Sequence[Part]]] = {
    "elasticc2_brokermessage": _said("this"),
    "elasticc2_diaobjectclassification": _said("message", _message("one.brokermessage_id = this.brokermessage_id")),
    "elasticc2_diaobjectinfo": _said("message", _message("one.diasource_id = this.latestsource_id")),
    "elasticc2_diaobjectdetails": _said(
        "message",
        _message(
            "one.brokermessage_id = (SELECT brokermessage_id FROM elasticc2_diaobjectclassification AS said"
            " WHERE said.diaobject_id = this.diaobject_id ORDER BY classifier_id LIMIT 1)"
        ),
    ),
    "elasticc2_ppdbdiaobject": _SURVEY,
    "elasticc2_ppdbdiasource": _SURVEY,
    "elasticc2_ppdbdiaforcedsource": _SURVEY,
    "elasticc2_ppdbalert": _SURVEY,
    "elasticc2_diaobjecttruth": _SURVEY,
    "message_uploads": (
        file_part("true", name="'upload by ' || this.username", sha256="this.sha256", at="this.received_at"),
        batch_part(),
    ),
    "simulation_files": (file_part("true", name="this.path", sha256="this.sha256", at="this.loaded_at"),),
}
"""Parts of the answer, by table."""

_TRAINING: Final = "loaded by `broker-assets tom load-snana-fits --train`; simulation_files has its files"
_FIRST: Final = "written by the loader of the first campaign, or restored from a dump of it"
_COUNTED: Final = "counted from stored messages; classifier_tally has the versions with which they were counted"
_TAXONOMY: Final = "part of a version of a taxonomy; taxonomy_versions has its digest"
_PROCESSING: Final = "entered by an administrator, who lists what a version of the processing consists of"
_ASKED: Final = "entered by the account or facility in the row"

TOM_BOOKKEEPING: Final[Mapping[str, str]] = {
    "alert_sendings": "recorded by the sender before it sends alerts, and removed when they are marked as sent",
    "base_processing_version": _PROCESSING,
    "base_procver_of_procver": _PROCESSING,
    "processing_version": _PROCESSING,
    "processing_version_alias": _PROCESSING,
    **dict.fromkeys(("classifier_answers", "classifier_delays", "classifier_messages", "classifier_scores"), _COUNTED),
    "classifier_tally": "recorded when messages were counted",
    "classifier_waiting": "recorded when a message was counted whose alert was not yet marked as sent, until it is",
    "db_queryqueue": "submitted by the account in the row",
    "diaobject": "each object is given the root object that is nearest, by the import or the job `place_objects`",
    "diaobject_host_match": "entered with the reduction of the row",
    "elasticc2_brokerclassifier": "recorded with the first message of the classifier, see elasticc2_brokermessage",
    "elasticc2_brokersourceids": "recorded with a message about the detection, until it is imported",
    "elasticc2_diaobjectoftarget": "entered with the target in the row",
    "elasticc2_importppdbrunning": "a row that the original has; imports lock otherwise",
    "elasticc2_plannedspectra": _ASKED,
    "elasticc2_spectruminfo": _ASKED,
    **dict.fromkeys(
        (
            *("elasticc2_trainingalert", "elasticc2_trainingdiaforcedsource", "elasticc2_trainingdiaobject"),
            *("elasticc2_trainingdiaobjecttruth", "elasticc2_trainingdiasource"),
        ),
        _TRAINING,
    ),
    "elasticc2_wantedspectra": _ASKED,
    **dict.fromkeys(
        (
            *("elasticc_brokerclassification", "elasticc_brokerclassifier", "elasticc_brokermessage"),
            *("elasticc_diaalert", "elasticc_diaforcedsource", "elasticc_diaobject", "elasticc_diaobjecttruth"),
            *("elasticc_diasource", "elasticc_diatruth"),
        ),
        _FIRST,
    ),
    "elasticc_maxprob_timebins": "the intervals that the first campaign was evaluated in",
    "host_galaxy": "entered with the reduction of the row",
    "object_opinions": "what sources said when the asset `contradictions` compared them",
    "plannedspectra": _ASKED,
    "reassigned_sources": "recorded when a source was given to another object",
    "reduced_positions": "entered with the reduction of the row",
    "root_diaobject": "placed by the import or the job `place_objects`, at the first object that is there",
    "sent_nights": "recorded by the sender of folders",
    "spectruminfo": _ASKED,
    "spectrum_night_plans": "recorded by the run in the row",
    "spectrum_facilities": "recorded when the account in the row used the name first",
    **dict.fromkeys(("taxonomy_classes", "taxonomy_exact", "taxonomy_matches"), _TAXONOMY),
    "taxonomy_versions": "stored by `tom.taxonomy.stored.store_version`",
    "wantedspectra": _ASKED,
}
"""Tables that the platform keeps for itself, or that people fill, and how their rows are made."""
