"""The process that Pipes starts reports what Spark wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, DAGSTER_PIPES_MESSAGES_ENV_VAR, encode_param

from broker_assets.resources import spark_statistics


def test_the_number_of_rows_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, messages = tmp_path / "context.json", tmp_path / "messages"
    given = {"run_id": "r", "retry_number": 0, "extras": {spark_statistics.JOB: {"target": "here"}}}
    context.write_text(json.dumps(given))
    monkeypatch.setenv(DAGSTER_PIPES_CONTEXT_ENV_VAR, encode_param({"path": str(context)}))
    monkeypatch.setenv(DAGSTER_PIPES_MESSAGES_ENV_VAR, encode_param({"path": str(messages)}))

    def compute(job: Any) -> dict[str, int]:
        assert job == {"target": "here"}
        return {"statistics": 4, "features": 2}

    spark_statistics.main(compute)
    said = [(one["method"], one["params"]) for one in map(json.loads, messages.read_text().splitlines())]
    assert [params["message"] for method, params in said if method == "log"] == [
        "4 rows of statistics, 2 rows of features"
    ]
    assert [params["payload"] for method, params in said if method == "report_custom_message"] == [
        {"rows": {"statistics": 4, "features": 2}}
    ]
    assert said[-1][0] == "closed"
    assert "exception" not in (said[-1][1] or {})
