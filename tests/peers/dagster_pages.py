"""A real code server, daemon and webserver, queried through GraphQL as by an operator's browser."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster_services import DagsterServices
from forked_programs import loaded_code

from broker_assets.local import platform
from broker_assets.local.instance import project_file
from broker_assets.local.processes import free_ports
from broker_assets.local.readiness import answers_http
from broker_assets.local.service import Service

REPOSITORY, LOCATION = "__repository__", "broker_assets"
LAUNCH = """
mutation Launch($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on Error { message }
  }
}
"""
ENDED = """
query Ended($backfill: String!) {
  partitionBackfillOrError(backfillId: $backfill) { ... on PartitionBackfill { status } }
}
"""
STOP = """
mutation Stop($id: String!) { stopSensor(id: $id) { __typename ... on Error { message } } }
"""
START = """
mutation Start($selector: SensorSelector!) {
  startSensor(sensorSelector: $selector) { __typename ... on Error { message } }
}
"""
SENSOR = """
query Sensor($selector: SensorSelector!) {
  sensorOrError(sensorSelector: $selector) {
    ... on Sensor { sensorState { id ticks(limit: 1) { status } } } ... on Error { message }
  }
}
"""


RUN = """
mutation Run($parameters: ExecutionParams!) {
  launchRun(executionParams: $parameters) { __typename ... on LaunchRunSuccess { run { id } } ... on Error { message } }
}
"""


class DagsterPages(DagsterServices):
    """Adds the webserver and what operators click; parameters as those of `DagsterServices`."""

    def __init__(
        self, folder: Path, dagster_url: str, module: str, environment: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(folder, dagster_url, module, environment)
        self._pages = free_ports(1)[0]
        self.address = f"http://127.0.0.1:{self._pages}"
        command = platform.commands(
            host="127.0.0.1",
            dagster_port=self._pages,
            api_port=0,
            code_port=0,
            workspace=str(project_file("workspace.yaml")),
        )["webserver"]
        self.webserver = Service(
            "webserver",
            command,
            log=folder / "webserver.log",
            environment=self._environment,
            healthy=answers_http(f"{self.address}/server_info"),
            loaded=loaded_code(),
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """All processes run within the block."""
        with super().running():
            self.webserver.start()
            try:
                yield
            finally:
                self.webserver.stop()

    def query(self, query: str, **variables: Any) -> Any:
        """The answer of the webserver; its errors fail the test."""
        body = json.dumps({"query": query, "variables": variables})
        connection = http.client.HTTPConnection("127.0.0.1", self._pages, timeout=60)
        try:
            connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
            document = json.load(connection.getresponse())
        finally:
            connection.close()
        assert "errors" not in document, document
        ((_, data),) = document["data"].items()
        assert "message" not in data, data
        return data

    def backfill(self, assets: Sequence[str], partitions: Sequence[str]) -> str:
        """Launch a backfill; return its identifier."""
        parameters = {
            "assetSelection": [{"path": asset.split("/")} for asset in assets],
            "partitionNames": list(partitions),
        }
        return str(self.query(LAUNCH, parameters=parameters)["backfillId"])

    def backfill_status(self, backfill: str) -> str:
        """Its status."""
        return str(self.query(ENDED, backfill=backfill)["status"])

    def launch(self, job: str, config: Any) -> str:
        """Launch a run of a job; return its identifier."""
        selector = {"repositoryName": REPOSITORY, "repositoryLocationName": LOCATION, "jobName": job}
        parameters = {"selector": selector, "runConfigData": json.dumps(config), "mode": "default"}
        return str(self.query(RUN, parameters=parameters)["run"]["id"])

    def stop_sensor(self, name: str) -> None:
        """Switch a sensor off, and wait for the end of a tick that is at work, which may still start runs."""
        self.query(STOP, id=self._state(name)["id"])
        deadline = time.monotonic() + 120
        while any(tick["status"] == "STARTED" for tick in self._state(name)["ticks"]):
            assert time.monotonic() < deadline, f"a tick of {name} does not end"
            time.sleep(0.2)

    def _state(self, name: str) -> Any:
        return self.query(SENSOR, selector=_selector(name))["sensorState"]

    def start_sensor(self, name: str) -> None:
        """Switch a sensor on."""
        self.query(START, selector=_selector(name))


def _selector(name: str) -> dict[str, str]:
    return {"sensorName": name, "repositoryName": REPOSITORY, "repositoryLocationName": LOCATION}
