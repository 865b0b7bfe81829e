"""Error circles of events, and what a notice says about an event, independent of the format in which it was sent.

An issuer gives a position, a radius and the probability that the circle contains the event. The radius for another
probability follows from a Gaussian error that is the same in all directions.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any, Literal

from broker_assets.sky.notice_fields import BadNotice

Kind = Literal["initial", "update", "retraction", "test"]


@dataclass(frozen=True)
class ErrorCircle:
    """A position with its error, as an issuer gives it."""

    ra: float
    """ICRS, degrees, in [0, 360)."""
    dec: float
    """ICRS, degrees."""
    error: float
    """Radius, degrees; the semi-major axis where the issuer gives an ellipse, so that the circle contains it."""
    containment: float
    """Probability that it contains the event, between 0 and 1."""
    part: str = ""
    """Part of the event that it belongs to, where an event has several (the neutrinos found near one merger)."""

    @classmethod
    def checked(cls, ra: float, dec: float, error: float, containment: float, part: str = "") -> ErrorCircle:
        """A circle with right ascension in [0, 360).

        Parameters
        ----------
        ra, dec : float
            ICRS, degrees.
        error : float
            Radius, degrees.
        containment : float
            Probability that the circle contains the event, between 0 and 1.
        part : str
            See the attribute.

        Raises
        ------
        BadNotice
            If a value is not possible.
        """
        if not (math.isfinite(ra) and -360.0 <= ra <= 720.0 and -90.0 <= dec <= 90.0):
            raise BadNotice(f"RA {ra}, Dec {dec} is not a position on the sky")
        if not 0.0 < error <= 180.0:
            raise BadNotice(f"an error of {error} degrees is not above 0 and at most 180")
        if not 0.0 < containment < 1.0:
            raise BadNotice(f"a containment of {containment} is not between 0 and 1")
        return cls(ra % 360.0, dec, error, containment, part)

    def radius(self, containment: float) -> float:
        """Radius of the circle that contains the event with this probability, degrees; see `contained_radius`."""
        return contained_radius(self.error, self.containment, containment)


@dataclass(frozen=True)
class EventNotice:
    """What a notice says about an event."""

    event: str
    """Identifier given by the issuer; the same in all notices of an event."""
    kind: Kind
    """Whether it begins, changes or retracts the event, or is not about anything that was observed."""
    name: str
    """Common name, such as GRB 261130A; the identifier if it has none."""
    issued: datetime.datetime | None = None
    """When it was issued, UTC; some issuers do not say."""
    number: int = 0
    """Number within the event, increasing; 0 if it has none."""
    trigger: datetime.datetime | None = None
    """Time of the event, UTC."""
    circles: tuple[ErrorCircle, ...] = ()
    """Where it is; none if the notice has no position, or gives it as a sky map only."""
    remark: str | None = None
    """Why it never makes a cone, whatever the settings of the list: it is a test, or has no circle."""
    url: str | None = None
    """Page or file about the event."""

    @property
    def retracts(self) -> bool:
        """Whether it retracts the event."""
        return self.kind == "retraction"

    @property
    def digest(self) -> str:
        """Hash of its content; copies of a notice have the same hash."""
        content = json.dumps(dataclasses.asdict(self), default=str, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]


def contained_radius(radius: float, given: float, wanted: float) -> float:
    """Convert the radius of an error circle from one containment probability to another.

    Parameters
    ----------
    radius : float
        Radius for the probability `given`, any unit.
    given, wanted : float
        Probabilities, between 0 and 1.

    Returns
    -------
    float
        Radius for the probability `wanted`, in the unit of `radius`.

    Notes
    -----
    For a Gaussian error with the same σ along both axes of the tangential plane, the distance from the true position
    follows a Rayleigh distribution: P(r) = 1 − exp(−r² / 2σ²). Hence r₂ = r₁ √(ln(1 − P₂) / ln(1 − P₁)). The circle of
    one σ contains 39.3 per cent, not 68.3.

    Examples
    --------
    >>> round(contained_radius(1.0, 0.393469, 0.9), 4)
    2.146
    """
    return radius * math.sqrt(math.log1p(-wanted) / math.log1p(-given))


def circles_of_json(items: Any) -> tuple[ErrorCircle, ...]:
    """Circles from the JSON of the column `event_notices.circles`."""
    return tuple(ErrorCircle(**item) for item in items)
