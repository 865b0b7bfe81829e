"""Runs of a running platform that the demonstration starts, as an operator would in the pages of Dagster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from broker_assets.monitoring.state_file import Addresses


class JobNotStartedError(RuntimeError):
    """A job could not be started; the message says why."""


def start_job(addresses: Addresses, job: str, configuration: Mapping[str, Any] | None = None) -> str:
    """Launch a job through the webserver; return the id of its run.

    Parameters
    ----------
    addresses : Addresses
        The running platform.
    job : str
        Name of the job.
    configuration : mapping, optional
        Run configuration.

    Raises
    ------
    JobNotStartedError
        If the webserver does not answer or refuses the run; the message is one line.
    """
    from dagster_graphql import DagsterGraphQLClient

    host, _, port = addresses.webserver_url.removeprefix("http://").partition(":")
    try:
        client = DagsterGraphQLClient(host, port_number=int(port))
        return str(client.submit_job_execution(job, run_config=dict(configuration or {})))
    except Exception as error:  # the client raises errors of many kinds, and writes its query into some
        cause: BaseException = error
        while (deeper := cause.__cause__ or cause.__context__) is not None:
            cause = deeper
        reason = " ".join(str(cause).split())[:200] or type(cause).__name__
        raise JobNotStartedError(f"{job}: {reason}") from error
