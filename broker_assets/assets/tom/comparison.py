"""Comparisons of brokers: with the truth of the simulated survey, and with other sources about the same objects."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, MetadataValue, ResourceParam, asset

from broker_assets.assets.labels import ALL_SURVEYS, COMPARISON, STREAM_OPERATORS, about, labels
from broker_assets.assets.metadata import table_metadata
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.assets.tom.survey import ROLLUPS, SURVEY
from broker_assets.assets.tom.taxonomies import FIRST_TAXONOMY, SECOND_TAXONOMY
from broker_assets.database.engine import connect
from broker_assets.database.tables import contradictions as contradictions_table
from broker_assets.database.tables.tom import classifier_scores
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.tom.contradictions.finding import CONTRADICTIONS_VERSION, find
from broker_assets.tom.contradictions.rule import Rule
from broker_assets.tom.first_campaign.views import VIEWS_VERSION, refresh
from broker_assets.tom.metrics.scorecards import Scorecard, scorecards
from broker_assets.tom.metrics.tallies import TALLY_VERSION, tally
from broker_assets.tom.taxonomy.hierarchy import Taxonomy
from broker_assets.tom.taxonomy.stored import in_force

SCORECARDS: Final = "classifier_scorecards"
CONTRADICTIONS: Final = "contradictions"
FIRST_VIEWS: Final = "first_campaign_views"
COMPARED: Final = (SCORECARDS, CONTRADICTIONS, FIRST_VIEWS)
"""Assets of the comparison."""
_SHOWN: Final = 200
"""Most lines of a table in metadata."""


def build_comparison_assets() -> list[AssetsDefinition]:
    """The assets."""
    return [_scorecards(), _contradictions(), _first_campaign_views()]


def _scorecards() -> AssetsDefinition:
    @asset(
        name=SCORECARDS,
        deps=[SURVEY, ROLLUPS, SECOND_TAXONOMY],
        group_name="tom",
        kinds={"postgres"},
        code_version=TALLY_VERSION,
        **labels(STREAM_OPERATORS, survey="elasticc", level="facts", family="alerts", store="postgres"),
        **about(
            "How accurate the classifiers of brokers are: confusion matrices, ROC and precision–recall curves, "
            "calibration, delays and completeness, against the truth of the simulated survey. New messages are added "
            "to the counts; with a new truth or taxonomy, all messages are counted again. `broker-assets tom "
            "scorecards --out "
            "FOLDER` writes them as Parquet.",
            COMPARISON,
            table_metadata(classifier_scores),
        ),
    )
    def classifier_scorecards(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        with connect(database.url, application="broker-assets scorecards", autocommit=True) as connection:
            done = tally(connection)
            number, taxonomy = in_force(connection, "elasticc2")
            cards = scorecards(connection, taxonomy)
        content = hashlib.sha256(f"{done.inputs} {_fingerprint(cards)}".encode()).hexdigest()
        yield from _made(
            context, database, SCORECARDS, content, TALLY_VERSION, [SURVEY, SECOND_TAXONOMY],
            {
                "dagster/row_count": len(cards),
                "messages": sum(card.messages for card in cards),
                "counted now": done.messages,
                "counted from the beginning": done.again,
                "taxonomy": f"version {number}",
                "classifiers": MetadataValue.md(_table(cards, taxonomy)),
            },
        )  # fmt: skip

    return classifier_scorecards  # type: ignore[no-any-return]


def _contradictions() -> AssetsDefinition:
    @asset(
        name=CONTRADICTIONS,
        deps=[ROLLUPS, SECOND_TAXONOMY, "crossmatch_tns", "annotations", "class_scores", "context_matches"],
        group_name="tom",
        kinds={"postgres"},
        code_version=CONTRADICTIONS_VERSION,
        **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="facts", family="alerts", store="postgres"),
        **about(
            "Objects about which two sources make statements that cannot both be true: classifiers of brokers, TNS, "
            "public annotators, context, our own classifiers. Two classes contradict each other if neither contains "
            "the "
            "other. Filters read the table as of the batch.",
            COMPARISON,
            table_metadata(contradictions_table),
        ),
    )
    def contradictions(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        with connect(database.url, application="broker-assets contradictions", autocommit=True) as connection:
            rule = Rule.read(in_force(connection, "elasticc2")[1])
            found = find(connection, rule)
            row = connection.execute("SELECT coalesce(max(revision_from), 0) FROM contradictions_history").fetchone()
            ended = connection.execute("SELECT coalesce(max(revision_to), 0) FROM contradictions_history").fetchone()
            examples = connection.execute(
                "SELECT diaobjectid, source, said, othersource, othersaid FROM contradictions ORDER BY 1, 2, 4 LIMIT 20"
            ).fetchall()
        newest = max(row[0] if row else 0, ended[0] if ended else 0)
        lines = ["| object | source | says | other source | says |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(_cell(one) for one in example)} |" for example in examples]
        yield from _made(
            context, database, CONTRADICTIONS, f"{newest}-{found.pairs}-{rule.version[:12]}", CONTRADICTIONS_VERSION,
            ["crossmatch_tns", SECOND_TAXONOMY],
            {
                "dagster/row_count": found.pairs,
                "objects": found.objects,
                "statements": found.statements,
                "words without a meaning": MetadataValue.json(list(found.unknown[:_SHOWN])),
                "examples": MetadataValue.md("\n".join(lines)),
            },
        )  # fmt: skip

    return contradictions  # type: ignore[no-any-return]


def _first_campaign_views() -> AssetsDefinition:
    @asset(
        name=FIRST_VIEWS,
        deps=[FIRST_TAXONOMY],
        group_name="tom",
        kinds={"postgres"},
        code_version=VIEWS_VERSION,
        **labels(STREAM_OPERATORS, survey="elasticc", level="facts", family="alerts", store="postgres"),
        **about(
            "The materialised views of the first campaign: what classifiers said by class, time from the peak and "
            "probability, and how many detections and measurements each alert had. Dumps restore into its tables.",
            COMPARISON,
        ),
    )
    def first_campaign_views(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        with connect(database.url, application="broker-assets views", autocommit=True) as connection:
            found = refresh(connection)
        content = hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()
        yield from _made(
            context, database, FIRST_VIEWS, content, VIEWS_VERSION, [FIRST_TAXONOMY],
            {
                "dagster/row_count": sum(view.rows for view in found.values()),
                "views": MetadataValue.json({name: view.rows for name, view in found.items()}),
            },
        )  # fmt: skip

    return first_campaign_views  # type: ignore[no-any-return]


def _made(
    context: AssetExecutionContext,
    database: Database,
    name: str,
    data_version: str,
    code_version: str,
    parents: Sequence[str],
    metadata: dict[str, Any],
) -> Iterator[MaterializeResult[Any]]:
    with database.transaction() as connection:
        known = versions.recorded(connection, [(parent, "") for parent in parents])
    inputs = tuple(
        versions.Input(asset=parent, partition="", data_version=found.data_version)
        for (parent, _), found in known.items()
    )
    artefact = versions.Artefact(
        asset=name, partition="", data_version=data_version, code_version=code_version, inputs=inputs
    )
    reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
    yield from reporter.made(Entry(artefact, metadata=metadata))


def _fingerprint(cards: list[Scorecard]) -> str:
    """A short text that changes with the content of the cards."""
    return " ".join(
        f"{card.classifier.classifier_id}:{card.messages}:{card.right['broad']}:{card.completeness}" for card in cards
    )


def _table(cards: list[Scorecard], taxonomy: Taxonomy) -> str:
    """A line for each classifier, and the class that it separates best."""
    names = dict(zip(taxonomy.classid.tolist(), taxonomy.description, strict=True))
    lines = [
        "| classifier | messages | answered | right, broad | right, exact | median delay (s) | best class (ROC area) |",
        "|---|---|---|---|---|---|---|",
    ]
    for card in cards[:_SHOWN]:
        known = [one for one in card.classes if not math.isnan(one.curves.area)]
        best = max(known, key=lambda one: one.curves.area, default=None)
        cells = (
            card.classifier.title, f"{card.messages:,}", _share(card.completeness), _share(card.right["broad"]),
            _share(card.right["exact"]), f"{card.median_delay('full'):,.0f}",
            "–" if best is None else f"{names.get(best.classid, best.classid)} ({best.curves.area:.3f})",
        )  # fmt: skip
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return "\n".join(lines)


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1%}"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
