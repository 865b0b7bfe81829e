"""What else waits for an operator on the quarantine page: telemetry files, and messages that no sink accepted."""

from __future__ import annotations

from typing import Any, Final

import psycopg
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from broker_assets.api.authentication import accounts_of
from broker_assets.api.site import owned
from broker_assets.api.site.forms import Sent, SentForm, acting, operator, see
from broker_assets.delivery import backlog
from broker_assets.telemetry.reception import register

router = APIRouter(prefix="/status/quarantine", include_in_schema=False)

FILES: Final = 100
"""Most files that are shown, and that one form may settle."""
STATES: Final = ("quarantined", "failed")
SAID: Final = {
    "files-retry": "The next run reads the files again.",
    "files-dismiss": "The files are dismissed; their bytes and reasons stay.",
    "letters-retry": "The messages are sent again.",
    "letters-dismiss": "The messages are dismissed and stay unsent.",
    "nothing": "Nothing was changed: none of this is waiting any longer.",
}


def waiting(reader: psycopg.Connection[Any], accounts: psycopg.Connection[Any]) -> dict[str, Any]:
    """Telemetry files that failed, with or without further attempts, the newest first, and sinks with dead letters.

    Parameters
    ----------
    reader, accounts : psycopg.Connection
        Connections that may read what the stream writes, and what users own; they may be the same.
    """
    return {
        "files": register.entries(reader, states=STATES, limit=FILES),
        "sinks": [one for one in backlog.by_sink(accounts) if one.dead],
        "most_files": FILES,
    }


@router.post("/files/")
def settle_files(request: Request, form: Sent) -> Response:
    """Schedule files to be read again by the next run, or dismiss them."""
    user = operator(acting(request, form))
    if not request.app.state.writes_stream:
        raise HTTPException(
            403, "This server has no write access to what the stream writes: use the command shown on the page."
        )
    chosen = [int(text) for text in form.several.get("entry", [])[:FILES] if text.isascii() and text.isdigit()]
    chosen = [number for number in chosen if number < 2**63]
    do = _do(form)
    with accounts_of(request) as connection, connection.transaction():
        settled = (register.dismiss if do == "dismiss" else register.retry)(connection, chosen)
        if settled:
            done = "dismissed" if do == "dismiss" else "retried"
            owned.note(connection, user, f"telemetry files {done}", settled, ", ".join(map(str, sorted(set(chosen)))))
    return see("/status/quarantine/", said=f"files-{do}" if settled else "nothing")


@router.post("/dead-letters/")
def settle_letters(request: Request, form: Sent) -> Response:
    """Send the dead letters of a sink again, or dismiss them."""
    user = operator(acting(request, form))
    sink = form.whole("sink", least=1, most=2**63 - 1, what="Destination")
    do = _do(form)
    with accounts_of(request) as connection:
        settled = backlog.retry(connection, sinkid=sink, dismiss=do == "dismiss")
        if settled:
            done = "dismissed" if do == "dismiss" else "retried"
            owned.note(connection, user, f"dead letters {done}", sink, f"{settled} messages")
    return see("/status/quarantine/", said=f"letters-{do}" if settled else "nothing")


def _do(form: SentForm) -> str:
    if form.text("do") not in ("retry", "dismiss"):
        raise HTTPException(422, "Say what to do: retry or dismiss.")
    return form.text("do")
