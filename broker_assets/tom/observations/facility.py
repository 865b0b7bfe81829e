"""The interface of facilities: a class that checks, places, follows and cancels requests, and fetches their files.

Settings name facilities and their classes (`settings.tom.FacilitySettings`). A class keeps no state: what is known of a
request is in the database (`store`), and `working` calls the methods. A request is sent by e-mail if `letter` returns
one, else with `find` and `place`.
"""

from __future__ import annotations

import datetime
import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from broker_assets.instants import instant
from broker_assets.numerals import real, whole
from broker_assets.settings.tom import FacilitySettings

State = Literal["placed", "completed", "expired", "cancelled"]
LONGEST_TEXT: Final = 2000


class BadRequest(ValueError):
    """A request is not valid; the message says which field is wrong and why."""


class Refused(Exception):
    """The facility refuses a request for good; the message says why."""


class Unavailable(Exception):
    """The facility gave no usable answer; the request may have arrived, and is tried again later."""


@dataclass(frozen=True)
class Field:
    """A field of the form of a facility."""

    name: str
    label: str
    """With the unit."""
    kind: Literal["text", "number", "whole", "time", "choice"] = "text"
    default: str = ""
    least: float = 0.0
    most: float = 1e9
    choices: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True)
class Order:
    """A request that is to be placed."""

    number: int
    """Number of the request."""
    name: str
    """Unique, and the same in every attempt; facilities find the request by this name."""
    target: Mapping[str, Any]
    """Fields of the target, see `targets.store.Target.given`."""
    parameters: Mapping[str, Any]
    owner: str
    remote: str = ""
    """Identifier at the facility, once it is placed."""


@dataclass(frozen=True)
class Letter:
    """An e-mail to the observers."""

    address: str
    subject: str
    text: str


@dataclass(frozen=True)
class Progress:
    """What a facility says about a request."""

    state: State
    said: str
    """State in the facility's own words."""
    begins: datetime.datetime | None = None
    ends: datetime.datetime | None = None


@dataclass(frozen=True)
class RemoteFile:
    """A file of an observation."""

    remote: str
    """Identifier at the facility."""
    name: str
    url: str


class Facility(ABC):
    """A facility of the settings.

    Parameters
    ----------
    settings : FacilitySettings
        Its section.
    """

    fields: ClassVar[tuple[Field, ...]] = ()
    """Fields of the form, besides the target."""
    by_letter: ClassVar[bool] = False
    """Whether people operate it: the account or members of the facility then set the state of a request."""

    def __init__(self, settings: FacilitySettings) -> None:
        self.settings = settings

    def form(self) -> tuple[Field, ...]:
        """The fields, with the defaults of the settings."""
        from dataclasses import replace

        options = self.settings.options
        return tuple(replace(one, default=options.get(one.name, one.default)) for one in self.fields)

    def check(self, target: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Check a request before it is stored; return its parameters as values of JSON.

        Raises
        ------
        BadRequest
            If it cannot be.
        """
        return checked_fields(self.form(), given)

    def letter(self, order: Order, page: str) -> Letter | None:
        """E-mail to the observers; None if requests are sent to a program. `page` is the address of the request's
        page."""
        return None

    @abstractmethod
    def find(self, order: Order) -> str | None:
        """The identifier of a request that an earlier attempt has placed; None if it has not arrived."""

    @abstractmethod
    def place(self, order: Order) -> str:
        """Place a request, and return its identifier.

        Raises
        ------
        Refused
            If it is refused for good.
        Unavailable
            If there is no answer, although the request may have arrived.
        """

    @abstractmethod
    def look(self, order: Order) -> Progress:
        """Progress of a request that was placed; raises `Unavailable`."""

    @abstractmethod
    def cancel(self, order: Order) -> None:
        """Cancel a request that was placed; raises `Unavailable`, or `Refused` if it can no longer be cancelled."""

    def products(self, order: Order) -> Sequence[RemoteFile]:
        """The available files of a request; raises `Unavailable`."""
        return ()

    def fetch(self, file: RemoteFile, most: int) -> bytes:
        """The content of a file of at most `most` bytes; raises `Unavailable`, or `Refused` if it is gone."""
        raise Refused("this facility has no archive")


def made(settings: FacilitySettings) -> Facility:
    """Create the facility of a section of the settings.

    Raises
    ------
    ValueError
        If its class cannot be found, or is not a `Facility`.
    """
    module, _, name = settings.kind.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"facility {settings.name}: there is no class {settings.kind!r}: {error}") from None
    if not (isinstance(found, type) and issubclass(found, Facility)):
        raise ValueError(f"facility {settings.name}: {settings.kind!r} is not a facility")
    return found(settings)


def checked_fields(fields: Sequence[Field], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a form: numbers as numbers, times as ISO 8601 in UTC.

    Raises
    ------
    BadRequest
        If one is missing, unknown, or not valid.

    Examples
    --------
    >>> fields = [Field("n", "Exposures", "whole"), Field("t", "Begin", "time")]
    >>> checked_fields(fields, {"n": "2", "t": "2026-12-01 03:00+01:00"})
    {'n': 2, 't': '2026-12-01T02:00:00+00:00'}
    """
    unknown = sorted(set(given) - {one.name for one in fields})
    if unknown:
        raise BadRequest(
            f"{unknown[0][:60]}: there is no such field; there are {', '.join(one.name for one in fields)}"
        )
    found: dict[str, Any] = {}
    for one in fields:
        text = str(given.get(one.name, "") if given.get(one.name) is not None else "").strip()
        if not text:
            if one.required:
                raise BadRequest(f"{one.name}: {one.label} is missing")
            continue
        if len(text) > LONGEST_TEXT or "\0" in text:
            raise BadRequest(f"{one.name}: the text is too long, or has a NUL character")
        found[one.name] = _value(one, text)
    return found


def _value(field: Field, text: str) -> Any:
    if field.kind in ("number", "whole"):
        try:
            number = real(text)
            if field.kind == "whole":
                # A program may send 2.0.
                number = int(number) if number.is_integer() else whole(text)
        except ValueError as error:
            raise BadRequest(f"{field.name}: {error}") from None
        if not field.least <= number <= field.most:
            raise BadRequest(f"{field.name}: {text[:40]} is not from {field.least:g} to {field.most:g}")
        return number
    if field.kind == "time":
        try:
            # In one zone: times are compared as texts, and facilities expect UTC.
            return instant(text).astimezone(datetime.UTC).isoformat()
        except ValueError:
            raise BadRequest(f"{field.name}: {text[:40]!r} is not a time; write 2026-12-01T03:00 (UTC)") from None
    if field.kind == "choice" and text not in field.choices:
        raise BadRequest(f"{field.name}: {text[:40]!r} is none of {', '.join(field.choices)}")
    return text
