"""Launching runs in Docker containers that get every setting of the platform.

Dagster's launcher passes on the environment variables that its configuration lists. Settings have hundreds of names
(`settings/`: one for each entry of each section and of each stream), and one that is missing from the list would apply
to the services but not to the runs. This launcher passes on the environment of its own process. It belongs here, and
not to `local`, since production uses it; on Kubernetes, where runs take their environment from the same objects as the
services, Dagster's launcher is enough.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from dagster import DagsterRun
from dagster_docker import DockerRunLauncher
from dagster_docker.container_context import DockerContainerContext

PASSED_ON = ("BROKER_", "OTEL_", "AWS_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""Prefixes of variables that mean the same in every container: settings, traces, access to object stores, certificates
and proxies of the site."""
OF_SERVICES = frozenset(
    {"BROKER_CODE_SERVER_HOST", "BROKER_CODE_SERVER_PORT", "BROKER_SERVER__ASKS_ACCOUNTS", "OTEL_SERVICE_NAME"}
)
"""Variables with such a prefix that belong to one service only."""


def passed_on(names: Iterable[str]) -> list[str]:
    """Names of the environment variables that containers of runs get, in alphabetical order.

    Examples
    --------
    >>> passed_on(["PATH", "BROKER_DRAIN__BATCH_MAX", "AWS_REGION", "BROKER_CODE_SERVER_HOST"])
    ['AWS_REGION', 'BROKER_DRAIN__BATCH_MAX']
    """
    return sorted(name for name in names if name.startswith(PASSED_ON) and name not in OF_SERVICES)


class SettingsRunLauncher(DockerRunLauncher):
    """Dagster's launcher, with the settings of this process."""

    def get_container_context(self, dagster_run: DagsterRun) -> DockerContainerContext:
        """The environment of a run's containers: that of the configuration, and every setting."""
        context: DockerContainerContext = super().get_container_context(dagster_run)
        merged: DockerContainerContext = context.merge(DockerContainerContext(env_vars=passed_on(os.environ)))
        return merged
