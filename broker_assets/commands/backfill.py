"""Backfills requested from the running Dagster through its GraphQL interface, for the commands that reprocess."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from broker_assets.commands.terminal import terminal
from broker_assets.settings import Settings

_LAUNCH = """
mutation Remake($parameters: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $parameters) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on Error { message }
  }
}
"""
_WATCH = """
query Watch($backfill: String!) {
  partitionBackfillOrError(backfillId: $backfill) {
    __typename
    ... on PartitionBackfill { status error { message } }
    ... on Error { message }
  }
}
"""


class DagsterRefusedError(RuntimeError):
    """Dagster's webserver refused a request or did not answer."""


def backfill(
    settings: Settings,
    assets: Sequence[str],
    partitions: Sequence[str],
    *,
    title: str,
    command: str,
    wait: bool,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Launch a backfill of the same partitions of some assets; see `backfill_of`.

    Parameters
    ----------
    settings : Settings
    assets, partitions : sequence of str
        Assets to materialise, and their partition keys.
    title, command, wait, tags
        See `backfill_of`.
    """
    chosen = dict.fromkeys(assets, partitions)
    backfill_of(settings, chosen, title=title, command=command, wait=wait, tags=tags)


def backfill_of(
    settings: Settings,
    chosen: Mapping[str, Collection[str]],
    *,
    title: str,
    command: str,
    wait: bool,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Launch a backfill and print where it can be watched.

    Parameters
    ----------
    settings : Settings
    chosen : mapping of str to collection of str
        Assets to materialise, and the partition keys of each; empty for an asset without partitions.
    title, command : str
        Shown with the backfill: its title, and the command that requested it.
    wait : bool
        Return only when it has ended.
    tags : mapping of str to str, optional
        Tags of its runs.

    Raises
    ------
    DagsterRefusedError
        If Dagster refuses or does not answer, or the backfill fails while the command waits for it.
    """
    from broker_assets.local.platform import addresses

    webserver = addresses(settings).webserver_url
    parameters = {
        "partitionsByAssets": [
            {
                "assetKey": {"path": asset.split("/")},
                "partitions": {"ranges": [{"start": key, "end": key} for key in sorted(keys)]} if keys else None,
            }
            for asset, keys in chosen.items()
        ],
        "title": title,
        "tags": [{"key": key, "value": value} for key, value in {"broker/asked_by": command, **(tags or {})}.items()],
    }
    answer = _graphql(webserver, _LAUNCH, {"parameters": parameters})["launchPartitionBackfill"]
    if answer["__typename"] != "LaunchBackfillSuccess":
        raise DagsterRefusedError(f"Dagster did not launch the backfill: {answer.get('message', answer['__typename'])}")
    identifier = answer["backfillId"]
    number = len(set().union(*chosen.values()))
    terminal().print(f"{title}: {number} partitions, {webserver}/runs/b/{identifier}", highlight=False)
    if not wait:
        return
    status = "REQUESTED"
    with terminal().status(f"{title} …"):
        while status in ("REQUESTED", "CANCELING", "FAILING"):
            time.sleep(1.0)
            found = _graphql(webserver, _WATCH, {"backfill": identifier})["partitionBackfillOrError"]
            if found["__typename"] != "PartitionBackfill":
                raise DagsterRefusedError(f"Dagster no longer knows the backfill: {found.get('message')}")
            status = found["status"]
    if status not in ("COMPLETED", "COMPLETED_SUCCESS"):
        message = (found.get("error") or {}).get("message", "see its runs")
        raise DagsterRefusedError(f"the backfill ended as {status}: {message}")
    terminal().print("Finished.")


def _graphql(webserver: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    from broker_assets.http import HttpClient, HttpError, HttpUnavailableError

    try:
        try:
            with HttpClient(timeout=60.0) as client:
                found = client.post(f"{webserver}/graphql", document={"query": query, "variables": variables})
        except HttpUnavailableError as error:
            if error.answer is None:
                raise
            found = error.answer  # Dagster reports an unknown asset as an error of the server, with a message
        answer = found.json()
        if not isinstance(answer, dict) or not answer.keys() & {"data", "errors"}:
            raise HttpError(f"HTTP {found.status}, and no GraphQL answer")
    except (HttpError, ValueError) as error:
        raise DagsterRefusedError(
            f"Dagster's webserver at {webserver} does not answer ({error}); --local works without it"
        ) from error
    if answer.get("errors"):
        raise DagsterRefusedError(f"Dagster refused the request: {answer['errors'][0]['message']}")
    data: dict[str, Any] = answer["data"]
    return data
