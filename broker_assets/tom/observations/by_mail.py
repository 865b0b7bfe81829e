"""A facility that people operate: a request is an e-mail, and they, or the account, set its state on its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from broker_assets.tom.observations.facility import BadRequest, Facility, Field, Letter, Order, Progress


class ByMail(Facility):
    """Writes to the `address` in its settings."""

    by_letter: ClassVar[bool] = True
    fields: ClassVar[tuple[Field, ...]] = (
        Field("instrument", "Instrument and setting", required=False),
        Field("exposure_time", "Exposure, s", "number", least=0.01, most=86_400),
        Field("exposure_count", "Exposures", "whole", "1", 1, 1000),
        Field("start", "Not before, UTC", "time", required=False),
        Field("end", "Not after, UTC", "time", required=False),
        Field("note", "What is it for, and what matters?", required=False),
    )

    def check(self, target: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """See `Facility.check`."""
        found = super().check(target, given)
        if found.get("start", "") and found.get("end", "") and found["end"] <= found["start"]:
            raise BadRequest("end: it is before the start")
        if not self.settings.address:
            raise BadRequest(f"facility: {self.settings.name} has no address; ask an administrator")
        return found

    def letter(self, order: Order, page: str) -> Letter:
        """See `Facility.letter`."""
        target = order.target
        lines = [f"{order.owner} asks for an observation of {target['name']}.", ""]
        lines += [
            f"{name.upper()}: {target[name]:.6f} degrees, ICRS"
            for name in ("ra", "dec")
            if target.get(name) is not None
        ]
        lines += [
            f"{name}: {target[name]:g}"
            for name in ("epoch", "pm_ra", "pm_dec", "parallax")
            if target.get(name) is not None
        ]
        if target.get("scheme"):
            lines.append(f"Orbital elements ({target['scheme']}):")
            lines += [f"  {name}: {value:.10g}" for name, value in target.get("elements", {}).items()]
        lines += [f"{one.label}: {order.parameters[one.name]}" for one in self.fields if one.name in order.parameters]
        lines += ["", f"Say there what became of it: {page}", f"Request {order.number} ({order.name})", ""]
        return Letter(self.settings.address, f"Observation of {target['name']} ({order.name})", "\n".join(lines))

    def find(self, order: Order) -> str | None:
        """The name of the request: the outbox sends its e-mail exactly once."""
        return order.name

    def place(self, order: Order) -> str:
        """The name of the request: its e-mail is the request."""
        return order.name

    def look(self, order: Order) -> Progress:
        """Always `placed`: people record what became of it."""
        return Progress("placed", "asked by letter")

    def cancel(self, order: Order) -> None:
        """Nothing: `working` sends another e-mail."""
