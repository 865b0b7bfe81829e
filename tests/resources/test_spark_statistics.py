"""The process that Pipes starts reports what Spark wrote."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.resources import spark_statistics


def test_the_number_of_rows_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []

    class Session:
        log = type("Log", (), {"info": staticmethod(said.append)})

        def __enter__(self) -> Session:
            return self

        def __exit__(self, *_: object) -> None: ...

        def get_extra(self, name: str) -> dict[str, Any]:
            assert name == spark_statistics.JOB
            return {"target": "here"}

        def report_custom_message(self, message: Any) -> None:
            said.append(message)

    monkeypatch.setattr(spark_statistics, "open_dagster_pipes", Session)
    monkeypatch.setattr(spark_statistics, "rebuild", lambda job: {"statistics": len(job["target"])})
    spark_statistics.main()
    assert said == ["4 rows of statistics", {"rows": {"statistics": 4}}]
