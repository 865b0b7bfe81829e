"""Alerts scored per second on one core: the enrichment for a batch, compared with one call of the model per alert.

    python benchmarks/classifiers.py [--repeats 5] [--objects 4000]

The models are the default classifier (forests on some forty columns) and a small network on stamps; their input comes
from a simulated survey. "Enrichment" is the whole process: columns are gathered from the tables of the batch, stamps
cut out, the model run, scores checked, and rows made. The naive method makes a list of the numbers of each alert and
runs the same model for it alone; it is given the stamps as they are.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from broker_assets.accounting.facts import AlertBatch
from broker_assets.classifiers import default
from broker_assets.classifiers.alert_scores import FEATURES, AlertScores
from broker_assets.classifiers.checking import Checked
from broker_assets.classifiers.description import StampInput, parse
from broker_assets.classifiers.inputs import AlertInputs
from broker_assets.classifiers.store import ClassifierStore
from broker_assets.lightcurves.object_features import ASSET, ObjectFeatures
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import SchemaFolder
from broker_assets.packets.stamps import Stamps
from broker_assets.simulation import Survey
from broker_assets.stream.enrichment import alerts_of
from broker_assets.stream.simulated_examples import ExampleSurvey, simulated_examples

BATCHES = (100, 4000)
ALERTS = 4000
STAMP = 30
NETWORK = """
name: network
version: "1"
inputs:
  - {name: stamps, stamps: [science, template, difference], size: 30, normalisation: standard}
outputs:
  - {name: p, classes: {real: of the sky, bogus: not of it}, sum_to_one: true}
"""


def network() -> Checked:
    """A network of two convolutions, as those that tell real sources from artefacts; its weights are random."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(1)
    weights = {
        "one": random.normal(size=(16, 3, 5, 5)) / 9.0,
        "two": random.normal(size=(32, 16, 3, 3)) / 12.0,
        "dense": random.normal(size=(32 * 6 * 6, 2)) / 34.0,
    }
    nodes = [
        helper.make_node("Conv", ["stamps", "one"], ["a"], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "two"], ["c"], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("MatMul", ["e", "dense"], ["f"]),
        helper.make_node("Softmax", ["f"], ["p"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("stamps", TensorProto.FLOAT, ["alerts", 3, STAMP, STAMP])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["alerts", 2])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return Checked(parse(NETWORK), NETWORK, model.SerializeToString())


def batch_of(folder: Path) -> tuple[AlertBatch, pa.Table]:
    """Alerts of a simulated survey with their stamps, and their features."""
    survey = Survey(seed=7, objects=3000, history=30, nights=7, cutouts="small", asteroids=0)
    survey.copy_schemas(folder)
    decoder = AlertDecoder("rubin", "confluent", SchemaFolder(folder), batch_bytes=None)
    identified = decoder.identify([alert.payload for alert in islice(survey.alerts(), ALERTS)])
    nothing = {path: np.zeros(len(points), bool) for path, points in identified.points.items()}
    tables = decoder.decode(identified, wanted=nothing)
    connection: Any = None
    named = {"light_curve": tables.light_curve, "object": tables.object, "source": tables.source}
    batch = AlertBatch(alerts_of(tables), named, connection, stamps=Stamps(identified.framed))
    return batch, ObjectFeatures().compute(batch, {}).tables[ASSET]


def first_of(batch: AlertBatch, number: int) -> AlertBatch:
    """A batch with the first alerts of another one alone."""
    alerts = batch.alerts.slice(0, number)
    tables = {
        name: table.filter(pc.is_in(table["packet"].cast(pa.int64()), alerts["packet"].combine_chunks()))
        for name, table in batch.tables.items()
    }
    return replace(batch, alerts=alerts, tables=tables)


def seconds(call: Callable[[], Any], repeats: int) -> float:
    """Processor time of a call: the median of some."""
    taken = []
    for _ in range(repeats):
        begin = time.process_time()
        call()
        taken.append(time.process_time() - begin)
    return float(np.median(taken))


def measured(store: ClassifierStore, batch: AlertBatch, features: pa.Table, repeats: int) -> tuple[float, float, float]:
    """Alerts a second: the enrichment, the model alone, and the model called for each alert."""
    [stored] = store.active()
    model, scores, count = stored.load(), AlertScores(store.folder), len(batch.alerts)
    source = batch.tables["source"]
    known = {"features": features, "object": batch.tables["object"], "source": source.filter(source["trigger"])}
    inputs = AlertInputs(batch.alerts["packet"].to_numpy(), known, batch.stamps)
    feed: dict[str, Any] = {}
    for item in model.description.inputs:
        if isinstance(item, StampInput):
            feed[item.name] = inputs.images(item, slice(0, count))[0]
        else:
            feed[item.name] = inputs.matrix(item, np.dtype(model.dtype(item.name)))

    def one_by_one() -> None:
        rows = {name: table.slice(0, count).to_pylist() for name, table in known.items()}
        for row in range(count):
            alone = {}
            for item in model.description.inputs:
                if isinstance(item, StampInput):
                    alone[item.name] = feed[item.name][row : row + 1]
                    continue
                values = [rows[column.table][row].get(column.name) for column in item.columns]
                filled = [
                    column.fill if value is None else value for column, value in zip(item.columns, values, strict=True)
                ]
                alone[item.name] = np.array([filled], model.dtype(item.name))
            model.run(alone)

    earlier = {FEATURES: features}
    scores.compute(batch, earlier)
    taken = (
        seconds(lambda: scores.compute(batch, earlier), repeats),
        seconds(lambda: model.run(feed), repeats),
        seconds(one_by_one, max(repeats // 2, 1)),
    )
    enrichment, model_alone, naive = (count / value for value in taken)
    return enrichment, model_alone, naive


def main() -> None:
    """Print the tables."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--objects", type=int, default=ExampleSurvey().objects, help="of the training survey")
    options = arguments.parse_args()
    begin = time.process_time()
    examples = simulated_examples(ExampleSurvey(objects=options.objects), default.INPUT, ObjectFeatures())
    simulated = time.process_time() - begin
    begin = time.process_time()
    trained = default.train(examples)
    fitted = time.process_time() - begin
    print(f"default classifier: {len(examples)} examples in {simulated:.1f} s, trained in {fitted:.1f} s of processor")
    print(f"  held-out accuracy {trained.metrics['accuracy']:.3f}, mean recall {trained.metrics['mean recall']:.3f}")
    with TemporaryDirectory() as folder:
        whole, features = batch_of(Path(folder))
        print("\nalerts a second on one core")
        print(f"{'model':<12}{'alerts a batch':>15}{'enrichment':>13}{'model alone':>13}{'one by one':>13}")
        for name, checked in (("light_curve", trained.checked), ("network", network())):
            store = ClassifierStore(Path(folder) / name)
            store.put(checked, source="benchmark")
            for number in BATCHES:
                batch = first_of(whole, number)
                rates = measured(store, batch, features.slice(0, number), options.repeats)
                print(f"{name:<12}{len(batch.alerts):>15,}" + "".join(f"{rate:>13,.0f}" for rate in rates))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"\npeak memory of this process {peak:.2f} GiB, training included")


if __name__ == "__main__":
    main()
