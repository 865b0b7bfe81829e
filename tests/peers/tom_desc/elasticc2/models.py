"""One class for each table; what the original's classes compute is computed by the platform's own functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import tom_connection
from tom_rows import Model

from broker_assets.tom.messages.documents import message_rows
from broker_assets.tom.messages.storing import MESSAGES, store_messages
from broker_assets.tom.survey.points import alert_document

_OBJECT: Final = {"diaobject": "DiaObject"}
_PPDB_OBJECT: Final = {"diaobject": "PPDBDiaObject"}
_CLASSIFIER: Final = {"classifier": "BrokerClassifier"}
_TRAINING_OBJECT: Final = {"diaobject": "TrainingDiaObject"}


class PPDBDiaObject(Model, table="elasticc2_ppdbdiaobject", key="diaobject_id"):
    """Object of the simulation."""


class PPDBDiaSource(Model, table="elasticc2_ppdbdiasource", key="diasource_id"):
    """Detection of the simulation."""

    references = _PPDB_OBJECT


class PPDBDiaForcedSource(Model, table="elasticc2_ppdbdiaforcedsource", key="diaforcedsource_id"):
    """Forced photometry of the simulation."""

    references = _PPDB_OBJECT


class PPDBAlert(Model, table="elasticc2_ppdbalert", key="alert_id"):
    """Alert of the simulation."""

    references = _PPDB_OBJECT | {"diasource": "PPDBDiaSource"}

    def reconstruct(self, daysprevious: float = 365, nprevious: int | None = None) -> dict[str, Any]:
        """The alert as it is sent."""
        return alert_document(
            tom_connection.connection(), self.pk, days=float(daysprevious), most_forced=nprevious
        )  # fmt: skip


class DiaObjectTruth(Model, table="elasticc2_diaobjecttruth", key="diaobject_id"):
    """Truth of an object."""

    references = _PPDB_OBJECT


class DiaObject(Model, table="elasticc2_diaobject", key="diaobject_id"):
    """Object that a broker reported."""


class DiaSource(Model, table="elasticc2_diasource", key="diasource_id"):
    """Detection that a broker reported."""

    references = _OBJECT


class DiaForcedSource(Model, table="elasticc2_diaforcedsource", key="diaforcedsource_id"):
    """Forced photometry of reported objects."""

    references = _OBJECT


class DiaObjectInfo(Model, table="elasticc2_diaobjectinfo", key="_id"):
    """Roll-up of an object and a band."""

    references = _OBJECT


class DiaObjectClassification(Model, table="elasticc2_diaobjectclassification", key="_id"):
    """Roll-up of an object and a classifier."""

    references = _OBJECT | _CLASSIFIER


class DiaObjectOfTarget(Model, table="elasticc2_diaobjectoftarget"):
    """Which target is which object."""

    references = _OBJECT


class BrokerClassifier(Model, table="elasticc2_brokerclassifier", key="classifier_id"):
    """Classifier of a broker."""


class BrokerSourceIds(Model, table="elasticc2_brokersourceids", key="diasource_id"):
    """Detection that is to be imported."""


class BrokerMessage(Model, table="elasticc2_brokermessage", key="brokermessage_id"):
    """Classification of an alert."""

    references = _CLASSIFIER

    @classmethod
    def load_batch(cls, messages: Sequence[dict[str, Any]], logger: Any = None) -> dict[str, Any]:
        """Store messages `{topic, msgoffset, timestamp, msg}`; gives what became of them."""
        rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for item in messages:
            said = item["msg"]
            (row,) = message_rows(
                {
                    "alert": said["alertId"], "source": said["diaSourceId"],
                    "published": said["elasticcPublishTimestamp"], "ingested": said["brokerIngestTimestamp"],
                    "broker": said["brokerName"], "version": said["brokerVersion"],
                    "classifier": said["classifierName"], "params": said["classifierParams"],
                    "classifications": said["classifications"],
                }, {}, json.dumps(said, default=str),
            )  # fmt: skip
            row |= {
                "streammessage_id": item["msgoffset"], "topicname": item["topic"], "kafka_partition": None,
                "msghdrtimestamp": item["timestamp"],
            }  # fmt: skip
            # As in the original: a message occurs only once in a batch.
            names = ("brokername", "brokerversion", "classifiername", "classifierparams")
            identity = (item["topic"], item["msgoffset"], row["alert_id"], *(row[name] for name in names))
            rows.setdefault(identity, row)
        connection = tom_connection.connection()
        with connection.transaction():
            done = store_messages(connection, pa.Table.from_pylist(list(rows.values()), MESSAGES))
        return {
            "addedmsgs": done.stored, "addedclassifiers": done.classifiers, "firstbrokerMessageId": done.first,
            "firstbrokermessage_id": done.first,
        }  # fmt: skip


class SpectrumInfo(Model, table="elasticc2_spectruminfo", key="specinfo_id"):
    """Reported spectrum."""

    references = _OBJECT


class WantedSpectra(Model, table="elasticc2_wantedspectra", key="wantspec_id"):
    """Spectrum that is asked for."""

    references = _OBJECT


class PlannedSpectra(Model, table="elasticc2_plannedspectra", key="reqspec_id"):
    """Spectrum that a facility plans."""

    references = _OBJECT


class TrainingDiaObject(Model, table="elasticc2_trainingdiaobject", key="diaobject_id"):
    """Object of the training set."""


class TrainingDiaSource(Model, table="elasticc2_trainingdiasource", key="diasource_id"):
    """Detection of the training set."""

    references = _TRAINING_OBJECT


class TrainingDiaForcedSource(Model, table="elasticc2_trainingdiaforcedsource", key="diaforcedsource_id"):
    """Forced photometry of the training set."""

    references = _TRAINING_OBJECT


class TrainingDiaObjectTruth(Model, table="elasticc2_trainingdiaobjecttruth", key="diaobject_id"):
    """Truth of an object of the training set."""

    references = _TRAINING_OBJECT


class TrainingAlert(Model, table="elasticc2_trainingalert", key="alert_id"):
    """Alert of the training set."""

    references = _TRAINING_OBJECT | {"diasource": "TrainingDiaSource"}


class GentypeOfClassId(Model, table="elasticc2_gentypeofclassid"):
    """Models of a class."""


class ClassIdOfGentype(Model, table="elasticc2_classidofgentype"):
    """Classes of a model."""


class ImportPPDBRunning(Model, table="elasticc2_importppdbrunning"):
    """Whether an import is running."""
