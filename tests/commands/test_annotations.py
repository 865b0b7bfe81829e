"""`broker-assets annotation`, and the quarantine of annotators by the existing commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Done, invoke

from broker_assets.annotations.annotators import AnnotatorChange, add_annotator, change_annotator, get
from broker_assets.database import engine
from broker_assets.settings import AnnotationSettings
from broker_assets.stream.annotation_messages import annotation_streams
from broker_assets.stream.annotations import read_annotations

pytestmark = pytest.mark.database


@pytest.fixture
def command(database_url: str, tmp_path: Path) -> Callable[..., Done]:
    with engine.connect(database_url) as connection:
        connection.execute("INSERT INTO objects (diaobjectid, survey) VALUES (7, 1)")
        add_annotator(connection, "fastfinder", "anna")
        connection.commit()

    def run(*arguments: str) -> Done:
        given = {"BROKER_HOME": str(tmp_path), "BROKER_DATABASE__URL": database_url}
        return invoke(*arguments, folder=tmp_path, columns=200, **given)

    return run


def test_an_object_is_annotated_and_shown(command: Callable[..., Done]) -> None:
    assert "No annotation" in command("annotation", "show", "7").stdout
    done = command("annotation", "add", "fastfinder", "7", "SN", "--classdict", '{"p": 0.9}', "--version", "2")
    assert "written in batch" in done.stdout
    assert (
        "had said the same before"
        in command("annotation", "add", "fastfinder", "7", "SN", "--classdict", '{"p": 0.9}', "--version", "2").stdout
    )
    assert command("annotation", "add", "fastfinder", "7", "AGN", "--owner", "anna").returncode == 0
    [now] = json.loads(command("annotation", "show", "7", "--json").stdout)
    assert (now["classification"], now["version"], now["revision_to"]) == ("AGN", "0.1", None)
    history = json.loads(command("annotation", "show", "7", "--json", "--history", "-t", "fastfinder").stdout)
    assert [one["classification"] for one in history] == ["SN", "AGN"]
    assert "AGN" in command("annotation", "show", "7").stdout
    why = command("why", "annotations", "diaobjectid=7").stdout
    assert "fastfinder of anna" in why
    for arguments, message in (
        (("fastfinder", "8", "SN"), "no alert has brought the object 8"),
        (("nobody", "7", "SN"), "no annotator with topic nobody"),
        (("fastfinder", "7", "SN", "--owner", "otto"), "otto does not own"),
        (("fastfinder", "7", "SN", "--classdict", "{"), "classdict is not JSON"),
    ):
        done = command("annotation", "add", *arguments)
        assert done.returncode == 1
        assert message in done.stderr


def test_messages_of_annotators_leave_the_quarantine(
    command: Callable[..., Done], database_url: str, packets: Any
) -> None:
    with engine.connect(database_url) as connection:
        change_annotator(connection, "fastfinder", AnnotatorChange(schema='{"required": ["p"]}'))
        stream = annotation_streams(get(connection, "fastfinder"))[0]
        connection.commit()
    source = packets.ListSource.of([b'{"objectId": 7, "classification": "SN"}'])
    read_annotations(source, database_url, stream, AnnotationSettings(), idle_seconds=0.05)
    listed = command("quarantine", "list").stdout
    assert stream.name in listed
    assert "not of the annotator's schema" in listed
    assert command("quarantine", "retry").returncode == 1
    assert command("annotator", "change", "fastfinder", "--no-schema").returncode == 0
    done = command("quarantine", "retry")
    assert (done.returncode, "1 read again: 1 stored" in done.stdout) == (0, True)
    assert "SN" in command("annotation", "show", "7").stdout
