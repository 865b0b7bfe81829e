"""`filter try`, `compare` and `explain`; what they count is in `stream/test_filter_trials`."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from stored_filters import enabled

from broker_assets.database import engine
from broker_assets.enrichment_plan import enrichment_plan
from broker_assets.filters.query import Form
from broker_assets.filters.store import save_filter
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import SchemaFolder
from broker_assets.settings import DrainSettings, load_settings
from broker_assets.sky.lists import create_watchlist
from broker_assets.sky.watchlists import parse_watchlist
from broker_assets.stream.drain import drain

pytestmark = pytest.mark.database
NIGHT = "2025-11-20"


@pytest.fixture
def night(command: Any, database_url: str, packets: ModuleType, tmp_path: Path) -> str:
    """A night of four alerts in the archive."""
    folder = tmp_path / "schemas"
    folder.mkdir()
    schemas = SchemaFolder(packets.write_schema_folder(folder))
    source = packets.ListSource.of([packets.encode(packets.alert(number, [(0, 61000.2)])) for number in (1, 2, 3, 4)])
    drain(
        source,
        database_url,
        (tmp_path / "archive").as_uri(),
        lambda: AlertDecoder("rubin", "confluent", schemas, topic="rubin-alerts"),
        DrainSettings(idle_seconds=0.1),
        topic="rubin-alerts",
        partitions=source.partitions(),
        run_id="run",
        plan=enrichment_plan(load_settings()),
    )
    return NIGHT


def test_a_filter_is_tried_compared_and_explained(command: Any, database_url: str, night: str, tmp_path: Path) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        number = enabled(connection, "SELECT diaObjectId FROM objects WHERE diaObjectId > 1")
        save_filter(connection, "ann", number, "SELECT diaObjectId FROM objects WHERE diaObjectId < 4")
        watchlist = create_watchlist(connection, "ann", "list", parse_watchlist(["0.37, -59.89"]), radius=60.0)
    (tmp_path / "one.sql").write_text("SELECT diaObjectId FROM objects WHERE diaObjectId > 1")
    [tried] = json.loads(command("filter", "try", "one.sql", "--nights", night, "--json").stdout)
    assert (tried["alerts"], tried["matches"], tried["samples"][0]) == (4, 3, {"diaObjectId": 2})
    assert "3" in command("filter", "try", "one.sql", "--nights", f"2025-11-01:{night}").stdout
    form = Form("objects.diaObjectId", f"objects, watchlist:{watchlist}")
    document = {"selected": form.selected, "tables": form.tables, "conditions": ""}
    (tmp_path / "list.json").write_text(json.dumps(document))
    then = command("filter", "try", "list.json", "--nights", night)
    assert f"watchlist {watchlist}: did not exist" in then.stdout
    now = command("filter", "try", "list.json", "--nights", night, "--lists", "now")
    assert f"watchlist {watchlist}: applied as it is now" in now.stdout
    assert '{"diaObjectId": 1}' in now.stdout
    compared = command("filter", "compare", number)
    assert "gained: object 1" in compared.stdout
    assert "lost: object 4" in compared.stdout
    explained = command("filter", "explain", number, "--night", night)
    assert "diaObjectId < 4" in explained.stdout
    assert "3" in explained.stdout
    one = command("filter", "explain", number, "--object", 4)
    assert "objects.diaObjectId = 4" in one.stdout
    assert "no" in one.stdout
    assert "there is no object 99" in command("filter", "explain", number, "--object", 99).stderr
    with engine.connect(database_url, autocommit=True) as connection:
        few = (
            "WITH few AS (SELECT diaObjectId AS id FROM objects WHERE diaObjectId < 3) SELECT id FROM few WHERE id > 1"
        )
        save_filter(connection, "ann", number, few)
    within = [command("filter", "explain", number, *rest).stdout for rest in (("--night", night), ("--object", 4))]
    for shown in within:
        own, _, part = shown.partition("The query few within it:")
        assert "is in few" in own
        assert "diaObjectId < 3" in part
    assert command("filter", "explain", number).exit_code == 2
    assert "no packets of 2001-01-01" in command("filter", "explain", number, "--night", "2001-01-01").stderr
    assert "give one night" in command("filter", "explain", number, "--night", f"2025-11-01:{night}").stderr
    with engine.connect(database_url, autocommit=True) as connection:
        save_filter(connection, "ann", number, "SELECT diaObjectId FROM objects")
    assert "every object passes" in command("filter", "explain", number, "--object", 4).stdout
    assert "no packets of 2001-01-01" in command("filter", "try", "one.sql", "--nights", "2001-01-01").stderr


def test_a_filter_that_passes_too_much_is_not_enabled(command: Any, database_url: str, night: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        number = enabled(connection, "SELECT diaObjectId FROM objects")
    command("filter", "disable", number)
    refused = command("filter", "enable", number, "--quota", 2)
    assert refused.exit_code != 0
    assert f"passes 4 of the 4 alerts of the night {night}" in refused.stderr
    assert "2.0 times as many" in refused.stderr
    fine = command("filter", "enable", number, "--quota", 4)
    assert fine.exit_code == 0, fine.output
    assert f"4 alerts of {night}" in fine.stdout
