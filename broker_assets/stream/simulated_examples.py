"""Training examples: alerts of a simulated survey with known classes, and the features computed for them.

The packets pass the decoder and the enrichment of the stream, so that an example has exactly the values that an alert
of the stream would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.accounting.facts import AlertBatch
from broker_assets.classifiers.description import ColumnInput
from broker_assets.classifiers.inputs import AlertInputs
from broker_assets.lightcurves.object_features import ASSET, ObjectFeatures
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import SchemaFolder
from broker_assets.stream.enrichment import alerts_of

if TYPE_CHECKING:
    from broker_assets.simulation import SimulatedAlert

EXAMPLES_VERSION: Final = "1"
"""Increased whenever the same survey gives different examples."""

ARTEFACT: Final = "artefact"
"""Class of alerts from sources that are not in the catalogue of the simulated survey."""

_BATCH: Final = 2000


@dataclass(frozen=True)
class ExampleSurvey:
    """The simulated survey from which examples are taken."""

    seed: int = 4012
    objects: int = 4000
    history: int = 30
    """Nights before the first one, which give objects a history."""
    nights: int = 30
    share: float = 0.4
    """Fraction of the alerts that are used: features with fits take half a millisecond each."""
    alerts_per_object: int = 3
    """Most examples of one object: alerts of the same light curve are very similar."""

    @property
    def version(self) -> str:
        """All parameters of the survey, as readable text."""
        return (
            f"{EXAMPLES_VERSION}, seed {self.seed}, {self.objects} objects, {self.history} + {self.nights} nights, "
            f"{self.share:g} of the alerts, {self.alerts_per_object} each"
        )


def simulated_examples(
    survey: ExampleSurvey, wanted: ColumnInput, features: ObjectFeatures, *, schema_folder: Path | None = None
) -> pa.Table:
    """Examples from a simulated survey.

    Parameters
    ----------
    survey : ExampleSurvey
        The survey.
    wanted : ColumnInput
        Columns of the examples.
    features : ObjectFeatures
        Computes the features of light curves.
    schema_folder : Path, optional
        Alert schemas; see `Survey`.

    Returns
    -------
    pyarrow.Table
        One row per example: `diaobjectid`, `diasourceid`, `class`, which is that of the simulator or `ARTEFACT`, and
        the columns as 64-bit numbers, under their names in the description; NaN where there is no value and no fill.

    Raises
    ------
    SchemasNotInstalled
        If there are no alert schemas.
    ValueError
        If the survey has no alerts.
    """
    # The simulator compiles its loops, which processes that only define assets should not have to do.
    from broker_assets.simulation import Survey

    simulated = Survey(
        seed=survey.seed,
        objects=survey.objects,
        history=survey.history,
        nights=survey.nights,
        cutouts="none",
        asteroids=0,
        schema_folder=schema_folder,
    )
    parts = []
    with TemporaryDirectory() as folder:
        simulated.copy_schemas(Path(folder))
        decoder = AlertDecoder("rubin", "confluent", SchemaFolder(Path(folder)), batch_bytes=None)
        random = np.random.default_rng([survey.seed, 1])
        alerts = (alert for alert in simulated.alerts() if random.random() < survey.share)
        while batch := list(islice(alerts, _BATCH)):
            parts.append(_examples(batch, decoder, wanted, features))
    if not parts:
        raise ValueError(f"the simulated survey has no alerts: {survey.version}")
    examples = pa.concat_tables(parts)
    truth = simulated.truth()
    known = truth.filter(truth["diaobjectid"].is_valid())
    place = pc.index_in(examples["diaobjectid"], known["diaobjectid"])
    labels = pc.fill_null(known["class"].take(place), ARTEFACT)
    examples = examples.add_column(2, "class", labels)
    return examples.take(pa.array(_chosen(examples["diaobjectid"].to_numpy(), survey)))


def _examples(
    batch: Sequence[SimulatedAlert], decoder: AlertDecoder, wanted: ColumnInput, features: ObjectFeatures
) -> pa.Table:
    identified = decoder.identify([alert.payload for alert in batch])
    # Histories are read for the light curve; their rows are not needed.
    nothing = {path: np.zeros(len(points), bool) for path, points in identified.points.items()}
    tables = decoder.decode(identified, wanted=nothing)
    alerts = alerts_of(tables)
    found = AlertBatch(alerts, {"light_curve": tables.light_curve, "object": tables.object}, _no_connection())
    computed = features.compute(found, {}).tables[ASSET]
    known = {"features": computed, "object": tables.object, "source": tables.source.filter(tables.source["trigger"])}
    matrix = AlertInputs(alerts["packet"].to_numpy(), known).matrix(wanted, np.dtype(np.float64))
    columns = {column.column: matrix[:, place] for place, column in enumerate(wanted.columns)}
    return pa.table({"diaobjectid": alerts["diaobjectid"], "diasourceid": alerts["diasourceid"], **columns})


def _no_connection() -> Any:
    """Features read nothing that is stored."""
    return None


def _chosen(objects: NDArray[np.int64], survey: ExampleSurvey) -> NDArray[np.int64]:
    """Random examples, some for each object, in chronological order."""
    shuffled = np.random.default_rng(survey.seed).permutation(len(objects))
    order = shuffled[np.argsort(objects[shuffled], kind="stable")]
    grouped = objects[order]
    first = np.flatnonzero(np.concatenate([[True], grouped[1:] != grouped[:-1]])) if len(grouped) else order
    number = np.arange(len(grouped)) - np.repeat(first, np.diff(np.append(first, len(grouped))))
    return np.sort(order[number < survey.alerts_per_object])
