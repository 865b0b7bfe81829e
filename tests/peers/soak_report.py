"""The report of a soak test, as Markdown and JSON: what was done, what was violated, what grows."""

from __future__ import annotations

import json
import os
import platform as machine
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
from growth import Growth, growth

WITH_LOAD = (
    "broker table ",
    "messages ingested",
    "folder archive",
    "folder postgres",
    "folder kafka",
    "runs ended",
)
"""Series that rise with what was received: shown for each thousand alerts, and no reason to fail."""
WITH_TIME = ("Dagster table ", "Dagster rows ", "folder dagster", "folder logs", "folder ")
"""Series that rise until their retention, in days, cuts them: shown for each day, and no reason to fail."""
TOLERANCE = {"memory of ": 25.0, "open files of ": 12.0, "lag": 2000.0, "latency": 30.0, "runs ": 3.0}
"""Amounts by which a flat series may change in the measured time, in its unit."""


def class_of(name: str) -> str:
    """What a series may do: `flat`, `load` or `time`."""
    if name.startswith(WITH_LOAD):
        return "load"
    return "time" if name.startswith(WITH_TIME) else "flat"


def trends(samples: Sequence[tuple[float, dict[str, float]]]) -> dict[str, Growth]:
    """The trend of each series."""
    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for at, values in samples:
        for name, value in values.items():
            series[name].append((at / 3600.0, value))
    return {
        name: growth(
            [at for at, _ in points],
            [value for _, value in points],
            absolute=next((amount for start, amount in TOLERANCE.items() if name.startswith(start)), 1.0),
        )
        for name, points in sorted(series.items())
    }


def write_report(path: Path, soak: Any) -> bool:
    """Write `path`.md and `path`.json; returns whether the soak failed."""
    found = trends(soak.samples)
    growing = {name: one for name, one in found.items() if class_of(name) == "flat" and one.verdict == "grows"}
    failed = bool(soak.violations or growing)
    messages = int(soak.player_report.get("messages", 0))
    seconds = time.time() - soak.begun
    document = {
        "begun": soak.begun,
        "seconds": seconds,
        "options": {name: str(value) for name, value in vars(soak.options).items()},
        "seed": soak.seed,
        "machine": {"cores": os.cpu_count(), "memory": psutil.virtual_memory().total, "system": machine.platform()},
        "player": soak.player_report,
        "strikes": [asdict(one) for one in soak.engine.strikes],
        "interruptions": soak.interruptions,
        "violations": soak.violations,
        "repeated alerts": soak.repeated,
        "quarantine": soak.quarantine,
        "notes": soak.platform.notes,
        "trends": {name: asdict(one) | {"class": class_of(name)} for name, one in found.items()},
        "samples": soak.samples,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(json.dumps(document))
    lines = _lines(soak, found, growing, messages, seconds)
    path.with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines), flush=True)
    return failed


def _lines(soak: Any, found: dict[str, Growth], growing: dict[str, Growth], messages: int, seconds: float) -> list[str]:
    strikes = [one for one in soak.engine.strikes if one.happened]
    rate = messages / max(1.0, float(soak.player_report.get("seconds", 0.0) or 1.0))
    lines = [
        f"# Soak of {time.strftime('%Y-%m-%d %H:%M', time.gmtime(soak.begun))} UTC",
        "",
        f"{seconds / 60:.0f} minutes, {messages:,} alerts at {rate:.0f} a second (asked: {soak.options.rate:g}),"
        f" {len(strikes)} faults (seed {soak.seed}), {os.cpu_count()} cores shared with other work: load"
        f" {os.getloadavg()[1]:.1f}.",
        "",
        f"**{'FAILED' if soak.violations or growing else 'Passed'}**: {len(soak.violations)} invariants violated,"
        f" {len(growing)} series grow that should not.",
        "",
        *(f"- {violation}" for violation in soak.violations),
        *(f"- {name} grows by {one.per_hour:,.1f} an hour" for name, one in growing.items()),
        *(f"- {note}" for note in soak.platform.notes),
        "",
        "## Faults",
        "",
        "| fault | times | not possible | seconds until the stream went on, median | longest |",
        "|---|--:|--:|--:|--:|",
    ]
    waits: dict[str, list[float]] = defaultdict(list)
    for name, wait in soak.interruptions:
        waits[name].append(wait)
    for name in sorted({one.fault for one in soak.engine.strikes}):
        of = [one.happened for one in soak.engine.strikes if one.fault == name]
        known = waits.get(name, [])
        shown = f"{statistics.median(known):.0f} | {max(known):.0f}" if known else "– | –"
        lines.append(f"| {name} | {sum(of)} | {len(of) - sum(of)} | {shown} |")
    lines += ["", f"Alerts to operators: {len(soak.platform.alerts)} messages; sent again: {soak.repeated or 'none'}."]
    lines += [f"In quarantine: {soak.quarantine or 'nothing'}.", ""]
    lines += ["## What should be flat", "", "| series | first | last | largest | per hour | verdict |"]
    lines += ["|---|--:|--:|--:|--:|---|"]
    for name, one in found.items():
        if class_of(name) == "flat":
            figures = f"{one.first:,.1f} | {one.last:,.1f} | {one.largest:,.1f} | {one.per_hour:+,.1f}"
            lines.append(f"| {name} | {figures} | {one.verdict} |")
    lines += ["", "## What grows with the alerts, or with time until its retention", ""]
    lines += ["| series | last | per 1,000 alerts | per day |", "|---|--:|--:|--:|"]
    for name, one in found.items():
        if class_of(name) != "flat" and one.largest >= 1.0 and one.samples:
            per_alert = one.per_hour / (rate * 3600.0) * 1000.0 if rate else 0.0
            lines.append(f"| {name} | {one.last:,.1f} | {per_alert:,.3f} | {24 * one.per_hour:,.0f} |")
    return lines
