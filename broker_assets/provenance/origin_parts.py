"""Parts of an answer to "why", as SQL: where a row comes from, and the joins that find it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A part of the answer for a row of the table `this`."""

    name: str
    """Name of the field of `why.Origin`."""
    value: str
    """SQL expression: JSON, or null if it is not found."""
    joins: str = ""
    """SQL joins that the expression needs."""
    required: bool = True
    """Whether a row without it is unexplained."""
    instead_of: tuple[str, ...] = ()
    """Parts that a row does not need if it has this one."""
    source: str = ""
    """SQL expression, over `this` and `before`, of the source whose packet this is."""
    before: str = ""
    """SQL joins that `source` needs."""


def json_part(found: str, **fields: str) -> str:
    """JSON of some expressions, or null if a condition does not hold."""
    pairs = ", ".join(f"'{name}', {expression}" for name, expression in fields.items())
    return f"CASE WHEN {found} THEN jsonb_build_object({pairs}) END"


def batch_part(ingestid: str = "this.ingestid", *, required: bool = True) -> Part:
    """The batch that wrote a row."""
    names = ("ingestid", "kind", "topic", "code_version", "run_id", "started_at", "finished_at", "revision")
    return Part(
        "batch",
        json_part("batch.ingestid IS NOT NULL", **{name: f"batch.{name}" for name in names}),
        f"LEFT JOIN ingest_batch AS batch ON batch.ingestid = {ingestid}",
        required,
    )


def file_part(found: str, joins: str = "", **fields: str) -> Part:
    """A file from which a row comes."""
    return Part("file", json_part(found, **fields), joins)


def survey_part(found: str = "true", *, instead_of: tuple[str, ...] = ()) -> Part:
    """The asset of the simulated survey from which a row comes, and the versions of the files from which it was loaded.

    Parameters
    ----------
    found : str
        SQL condition for rows that come from it.
    instead_of : tuple of str
        Parts that such rows do not need; if empty, every row needs this part.
    """
    return Part(
        "computed",
        json_part(
            "survey.asset IS NOT NULL",
            enrichment="survey.asset",
            code_version="survey.code_version",
            inputs="survey.inputs",
        ),
        "LEFT JOIN LATERAL (SELECT entry.asset, entry.code_version, (SELECT coalesce(jsonb_object_agg(used.input_asset"  # noqa: S608
        " || ':' || used.input_partition, used.input_data_version), '{}') FROM artefact_input AS used"
        ' WHERE used.asset = entry.asset AND used."partition" = entry."partition") AS inputs FROM artefact AS entry'
        f" WHERE entry.asset = 'simulated_survey' AND entry.\"partition\" = '' AND {found}) AS survey ON true",
        not instead_of,
        instead_of,
    )
