"""A run that works on observation requests: submits them, follows them, and stores their files."""

import time
from collections.abc import Iterator

from dagster import JobDefinition, OpExecutionContext, ResourceParam, in_process_executor, job, op

from broker_assets.database.engine import connect
from broker_assets.delivery.owners import notify
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.settings import Settings
from broker_assets.tom.observations.facility import Letter, made
from broker_assets.tom.observations.working import FOLDER, Connection, Work, work

BUDGET_SECONDS = 300.0
"""After this time a run begins nothing new; the sensor starts the next one."""


def post(connection: Connection, owner: str, letter: Letter, cause: str) -> None:
    """Queue an e-mail to a facility, once for each cause; it is sent with the other messages."""
    notify(connection, owner, letter.subject, letter.text, cause=cause, address=letter.address)


def plan_of(settings: Settings) -> Work:
    """Return what a run needs, from the settings.

    Raises
    ------
    ValueError
        If the class of a facility cannot be found.
    """
    tom = settings.tom
    return Work(
        {one.name: made(one) for one in tom.facilities}, ObjectStore.of(settings).path(FOLDER), post, settings.pages,
        tom.observation_minutes, tom.products_days, tom.product_bytes,
    )  # fmt: skip


def build_observe(settings: Settings) -> JobDefinition:
    """The job that the sensor `observations` starts."""

    @op(name="work_on_observations", out={})
    def work_on_observations(context: OpExecutionContext, database: ResourceParam[Database]) -> Iterator[None]:
        ends = time.monotonic() + BUDGET_SECONDS
        with connect(database.url, autocommit=True) as connection:
            report = work(connection, plan_of(settings), lambda: time.monotonic() > ends)
        say = context.log.warning if report.failures or report.refused else context.log.info
        say(
            f"{report.placed} requests placed, {report.looked} looked at, {report.finished} finished, "
            f"{report.stored} files stored, {report.refused} refused, {report.failures} attempts failed"
        )
        yield from ()

    @job(
        name="observe",
        executor_def=in_process_executor,
        description="Submits observation requests to facilities, follows them, and stores their files.",
    )
    def observe() -> None:
        work_on_observations()

    return observe
