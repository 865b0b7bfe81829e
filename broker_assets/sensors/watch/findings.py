"""What a sweep found, and addresses of the pages that show it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode

from broker_assets.monitoring.alerts import Alert, Cause

_CLASS: Final = re.compile(r"^(?:\w+\.)+(\w+): ")
_DETAILS: Final = re.compile(r'^\s*details = "(.*)"$', re.MULTILINE)


@dataclass(frozen=True)
class Findings:
    """What is wrong, and what is resolved."""

    alerts: list[Alert] = field(default_factory=list)
    """In order; the last alert of a cause counts."""
    ended: dict[Cause, str] = field(default_factory=dict)
    """Causes that are over, and what ended them."""

    @classmethod
    def together(cls, parts: Iterable[Findings]) -> Findings:
        """Combine several findings."""
        found = cls()
        for part in parts:
            found.alerts.extend(part.alerts)
            found.ended.update(part.ended)
        return found


@dataclass(frozen=True)
class Links:
    """Markdown links to Dagster's pages.

    Examples
    --------
    >>> Links("http://host:3000/").run("0123456789ab")
    '[Run 01234567](http://host:3000/runs/0123456789ab)'
    >>> Links("http://host:3000").asset("alert_stream/rubin", "2024-05-01")
    '[alert_stream/rubin of 2024-05-01](http://host:3000/assets/alert_stream/rubin?view=partitions&partition=2024-05-01)'
    >>> Links("http://host:3000").check("sources", "ledger_balances", "")
    '[Check ledger_balances of sources](http://host:3000/assets/sources?view=checks&checkDetail=ledger_balances)'
    """

    address: str
    """Address of Dagster's webserver, as operators reach it."""

    def _link(self, text: str, *path: str, **query: str) -> str:
        where = "/".join(quote(part, safe="@") for part in path)
        asked = urlencode({name: value for name, value in query.items() if value})
        return f"[{text}]({self.address.rstrip('/')}/{where}{'?' if asked else ''}{asked})"

    def run(self, run_id: str) -> str:
        """A run, with its log."""
        return self._link(f"Run {run_id[:8]}", "runs", run_id)

    def asset(self, asset: str, partition: str = "") -> str:
        """An asset, or one of its partitions."""
        of = f" of {partition}" if partition else ""
        view = "partitions" if partition else ""
        return self._link(f"{asset}{of}", "assets", *asset.split("/"), view=view, partition=partition)

    def check(self, asset: str, name: str, partition: str) -> str:
        """A check, which shows its evaluations."""
        text = f"Check {name} of {asset}"
        path = asset.split("/")
        return self._link(text, "assets", *path, view="checks", checkDetail=name, partition=partition)

    def runs(self, condition: str) -> str:
        """The runs that meet a condition, newest first."""
        return self._link("Its runs", "runs", **{"q[0]": condition})

    def backfill(self, backfill_id: str) -> str:
        """A backfill, with the state of its partitions."""
        return self._link(f"Backfill {backfill_id}", "runs", "b", backfill_id)

    def instigator(self, kind: str, name: str, repository: str, location: str) -> str:
        """A sensor or schedule, with its ticks."""
        return self._link(f"{kind.capitalize()} {name}", "locations", f"{repository}@{location}", f"{kind}s", name)


def plain(error: str) -> str:
    """Return the text of an error without the module of its class.

    Examples
    --------
    >>> plain("psycopg.errors.DiskFull: no space")
    'DiskFull: no space'
    """
    return _CLASS.sub(r"\1: ", error)


def summary(error: str) -> str:
    """Return the line of an error that says most: the first one, or the details of an error of gRPC.

    Examples
    --------
    >>> summary("OSError: disk is full\\nin a folder")
    'OSError: disk is full'
    >>> summary('grpc._channel._InactiveRpcError: <… terminated with:\\n\\tdetails = "Connection refused"\\n>')
    'the code server does not answer: Connection refused'
    """
    details = _DETAILS.search(error)
    if details is not None and "RpcError" in error:
        return f"the code server does not answer: {details[1]}"
    return next(iter(plain(error.strip()).splitlines()), "no reason is recorded")


def minutes(seconds: float) -> str:
    """A time in words.

    Examples
    --------
    >>> minutes(75.0), minutes(900.0)
    ('75 seconds', '15 minutes')
    """
    return f"{seconds / 60.0:.0f} minutes" if seconds >= 120.0 else f"{seconds:.0f} seconds"
