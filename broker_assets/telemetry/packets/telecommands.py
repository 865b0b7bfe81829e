"""Telecommand reports (`PktTcReport` files): what was sent, when it ran and with which parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO
from xml.etree import ElementTree

from broker_assets.instants import with_zone
from broker_assets.telemetry.packets.batches import BadPacket
from broker_assets.telemetry.packets.xml_elements import CHUNK, find_elements

MOST_DEPTH = 64
"""Levels of nested elements, at most; reports have six."""
_PIECE = 1 << 14
_PREFIX = re.compile(rb"(</?)[A-Za-z_][\w.-]*:(?=PktTcReportListElement)")


@dataclass(frozen=True)
class TelecommandReport:
    """One telecommand as the ground segment reports it."""

    name: str
    """Command name, for example ZIX0602A."""
    description: str
    execution_time: datetime | None
    """UTC; None if the command has not run."""
    release_time: datetime | None
    uplink_time: datetime | None
    fields: dict[str, str]
    """Every other field of the report, as text."""
    custom: dict[str, str]
    """The fields a mission adds (uniqueID, s13ObFileId, …)."""
    parameters: tuple[dict[str, str], ...]
    """Per parameter: ParameterName, ParamRep, ParamValue and whatever else is given."""
    file: str
    position: int


def read_reports(stream: BinaryIO, name: str, *, chunk: int = CHUNK) -> Iterator[TelecommandReport | BadPacket]:
    """Every report of a file; damaged ones as `BadPacket`.

    Parameters
    ----------
    stream : binary file
    name : str
        Name of the file.
    chunk : int
        Bytes read at a time; bounds memory.
    """
    for element in find_elements(stream, "PktTcReportListElement", chunk=chunk):
        try:
            yield _report(element.text, name, element.position)
        except (ElementTree.ParseError, ValueError, OverflowError) as error:
            reason = f"the telecommand report cannot be read: {error}"
            yield BadPacket(reason, element.text, name, element.position)


def _parsed(element: bytes) -> ElementTree.Element:
    """The tree of an element that is not nested more deeply than reports are.

    Raises
    ------
    ElementTree.ParseError
        If it is damaged.
    ValueError
        If it is nested too deeply.
    """
    parser: Any = ElementTree.XMLPullParser(("start", "end"))
    depth = 0
    root: ElementTree.Element | None = None
    for start in range(0, len(element), _PIECE):
        parser.feed(element[start : start + _PIECE])
        for event, found in parser.read_events():
            depth += 1 if event == "start" else -1
            if depth > MOST_DEPTH:
                raise ValueError(f"its elements are nested more than {MOST_DEPTH} deep")
            root = root if root is not None else found
    parser.close()
    if root is None:
        raise ValueError("it is empty")
    return root


def _report(element: bytes, name: str, position: int) -> TelecommandReport:
    # No entity can be declared in it: the fragment begins with its own element, after any document type.
    root = _parsed(_PREFIX.sub(rb"\1", element))
    fields = {child.tag: (child.text or "").strip() for child in root if len(child) == 0}
    custom = {child.findtext("FieldName", ""): child.findtext("Value", "") for child in root.iter("CustomField")}
    parameters = tuple(
        {part.tag: (part.text or "").strip() for part in child}
        for child in root.iter("PktTcReportParameterListElement")
    )
    command = fields.pop("CommandName", "")
    if not command:
        raise ValueError("it names no command")
    return TelecommandReport(
        name=command,
        description=fields.pop("Description", ""),
        execution_time=_time(fields.pop("ExecutionTime", "")),
        release_time=_time(fields.pop("ReleaseTime", "")),
        uplink_time=_time(fields.pop("UplinkTime", "")),
        fields=fields,
        custom=custom,
        parameters=parameters,
        file=name,
        position=position,
    )


def _time(text: str) -> datetime | None:
    """UTC of a time in the report; None for the beginning of 1970."""
    if not text:
        return None
    # Without a zone, it would be read in the time zone of this machine.
    time = with_zone(datetime.fromisoformat(text.replace("Z", "+00:00"))).astimezone(UTC)
    return None if time == datetime(1970, 1, 1, tzinfo=UTC) else time
