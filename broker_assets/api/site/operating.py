"""Pages of operators: the quarantine of messages with retry and dismissal, and the logs of services by day."""

from __future__ import annotations

import datetime
import shlex
from pathlib import Path
from typing import Any, Final

import psycopg
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import Response

from broker_assets.accounting import quarantine
from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import Connections
from broker_assets.api.site import owned, quarantine_kinds
from broker_assets.api.site.forms import Sent, acting, logged_in, operator, see
from broker_assets.api.site.frame import page
from broker_assets.api.site.quarantine_retry import QuarantineRetry
from broker_assets.monitoring import service_logs
from broker_assets.provenance import costs
from broker_assets.settings import Settings

router = APIRouter(prefix="/status", include_in_schema=False)

GROUPS: Final = 100
"""Most kinds of reasons that are shown."""
LINES: Final = 500
"""Most lines of a log that are shown."""
FIRST_BYTES: Final = 64
SAID: Final = {
    "retrying": "The messages are read again; this page shows how it ends.",
    "busy": "Another retry runs: wait until it has ended.",
    "dismissed": "The messages are dismissed; their bytes stay in the database.",
    "gone": "No message with this reason is waiting any longer.",
}


def add_to(app: FastAPI, settings: Settings) -> None:
    """Add the pages.

    Parameters
    ----------
    app : FastAPI
        The application; its state gets what the pages need.
    settings : Settings
        Those of the platform, as the process has them.
    """
    # The database roles of a web server, which may only read or change what users own, cannot write rows of the stream.
    app.state.writes_stream = settings.database.reader_url is None and settings.database.access_url is None
    app.state.quarantine_retry = QuarantineRetry()
    app.state.logs = settings.home / "logs"
    app.state.daily_logs = settings.home / "service_logs"
    app.include_router(router)
    app.include_router(quarantine_kinds.router)


@router.get("/quarantine/")
def waiting(request: Request, said: str = "") -> Response:
    """What could not be read or delivered: messages by topic and kind of reason, telemetry files, and dead letters."""
    user = operator(logged_in(request))
    if isinstance(user, Response):
        return user
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        groups = quarantine.groups(connection, limit=GROUPS)
        states: dict[str, int] = {}
        for (_, state), count in quarantine.counts(connection).items():
            states[state] = states.get(state, 0) + count
        shown = [_shown(connection, group) for group in groups]
        with accounts_of(request) as accounts:
            kinds = quarantine_kinds.waiting(connection, accounts)
    known = SAID | quarantine_kinds.SAID
    return page(
        request, "quarantine.html", groups=shown, states=states, most=GROUPS, said=known.get(said, ""),
        writes=request.app.state.writes_stream, retry=request.app.state.quarantine_retry.last, **kinds,
    )  # fmt: skip


def _shown(connection: psycopg.Connection[Any], group: quarantine.ReasonGroup) -> dict[str, Any]:
    """A group with its example and the commands that do the same."""
    found = quarantine.entries(connection, after=group.example - 1, limit=1)
    example = found[0] if found and found[0].quarantineid == group.example else None
    options = f"--topic {shlex.quote(group.topic)} --reason {shlex.quote(group.kind)}"
    return {
        "group": group,
        "example": example,
        "bytes": example.payload[:FIRST_BYTES].hex(" ") if example is not None else "",
        "retry": f"broker-assets quarantine retry {options}",
        "dismiss": f"broker-assets quarantine dismiss {options}",
    }


@router.post("/quarantine/")
def settle(request: Request, form: Sent) -> Response:
    """Read the messages with a kind of reason again, or dismiss them."""
    user = operator(acting(request, form))
    if not request.app.state.writes_stream:
        raise HTTPException(
            403, "This server has no write access to what the stream writes: use the command shown on the page."
        )
    topic, kind = form.text("topic"), form.text("reason")
    with accounts_of(request) as connection:
        chosen = {(group.topic, group.kind) for group in quarantine.groups(connection)}
        if (topic, kind) not in chosen:
            return see("/status/quarantine/", said="gone")
        if form.text("do") == "dismiss":
            with connection.transaction():
                number = quarantine.dismiss(connection, quarantine.of_kind(connection, topic, kind))
                if number:
                    owned.note(connection, user, "quarantine dismissed", topic, f"{number} messages: {kind}")
            return see("/status/quarantine/", said="dismissed" if number else "gone")
        runner: QuarantineRetry = request.app.state.quarantine_retry
        started = runner.start(topic, kind, by=user.username)
        if started:
            owned.note(connection, user, "quarantine retried", topic, kind)
    return see("/status/quarantine/", said="retrying" if started else "busy")


@router.get("/costs/")
def run_costs(request: Request, asset: str = "", days: int = 30) -> Response:
    """What runs cost, by day and asset."""
    user = operator(logged_in(request))
    if isinstance(user, Response):
        return user
    if not 1 <= days <= 400:
        raise HTTPException(400, "days is a number from 1 to 400.")
    with accounts_of(request) as connection:
        found = costs.history(connection, days=days, asset=asset or None)
    return page(request, "run_costs.html", found=found, asset=asset, days=days)


@router.get("/logs/")
def logs(request: Request, service: str = "", day: str = "", problems: bool = False, text: str = "") -> Response:
    """What the services on this machine wrote, by day (UTC)."""
    user = operator(logged_in(request))
    if isinstance(user, Response):
        return user
    folder: Path = request.app.state.logs
    daily: Path = request.app.state.daily_logs
    known = service_logs.services(folder, daily)
    found = None
    if known:
        chosen = service or ("daemon" if "daemon" in known else known[0])
        try:
            wanted = datetime.date.fromisoformat(day) if day else None
            found = service_logs.read_day(
                folder, chosen, wanted, most=LINES, problems=problems, text=text.strip(), daily=daily
            )
        except ValueError:
            raise HTTPException(400, f"{day!r} is not a day such as 2026-11-30.") from None
        except service_logs.UnknownService:
            raise HTTPException(404, f"There is no log of a service {service!r} on this machine.") from None
        service, day = chosen, day or (found.days[0].isoformat() if found.days else "")
    return page(
        request, "service_logs.html", services=known, service=service, day=day, found=found, problems=problems,
        text=text.strip(), most=LINES,
    )  # fmt: skip
