"""Tags, owners and the links to what writes an asset."""

from __future__ import annotations

from broker_assets.assets.labels import DRAIN, OWNERS, WRITTEN_BY, Writer, about, labels


def test_labels_are_accepted_by_dagster_as_tags_and_owner() -> None:
    from dagster import AssetSpec

    for owner in OWNERS:
        spec = AssetSpec("a", **labels(owner, survey="ztf", level="raw", family="alerts", store="kafka"))
        assert list(spec.owners) == [owner]
        assert spec.tags == {"survey": "ztf", "level": "raw", "family": "alerts", "store": "kafka"}


def test_description_and_metadata_name_the_same_writer() -> None:
    said = about("Rows.", DRAIN, {"topic": "t"})
    assert said["description"].startswith("Rows. Written by the job [drain](")
    assert said["metadata"]["topic"] == "t"
    assert said["metadata"][WRITTEN_BY].md_str == DRAIN.sentence()
    assert said["description"].endswith(DRAIN.sentence())
    assert about("Files.", None, {"topic": "t"}) == {"description": "Files.", "metadata": {"topic": "t"}}


def test_who_starts_a_job() -> None:
    assert "the schedule [publish_due]" in Writer("publish_products", schedule="publish_due").sentence()
    assert Writer("reprocess").sentence().endswith("which an operator starts.")
    assert Writer(sensor="lists").sentence().startswith("Recorded by the sensor [lists](")
