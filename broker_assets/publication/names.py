"""Names of product files, and how the receiving archive interprets them.

`solo_<level>_stix-<type>-<name>_<range>_V<vv>[U|C][_<request>[-<control>]].<fits|svg>`: U marks a file that still grows
and is never part of a delivered name. The archive identifies a file by the first five parts only, so two requests for
the same data collide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

_NAME: Final = re.compile(
    r"solo_(?P<level>[A-Z]+\d*)_stix-(?P<family>[a-z0-9]+)(?:-(?P<product>[A-Za-z0-9-]+?))??(?:-sup(?P<supplement>[1-9]\d*))?"
    r"_(?P<span>[0-9T-]+)_V(?P<version>\d{12}|\d{2})(?P<mark>[UC]?)(?:_(?P<request>\d+)(?:-(?P<control>\d+))?)?"
    r"\.(?P<suffix>fits|svg)"
)


class NotAProductName(ValueError):
    """A file name does not follow the scheme; the message quotes it."""


@dataclass(frozen=True)
class ProductName:
    """The parts of a name."""

    level: str
    family: str
    """ql, hk, sci, cal, asp, or the name of a service."""
    product: str
    """`lightcurve`, `xray-cpd`, …"""
    span: str
    """Day, or start and end."""
    version: int
    """For level LL01 the creation time, YYYYMMDDhhmm."""
    mark: str = ""
    """U: the file grows during the day; C, for plots: it does not."""
    request: str | None = None
    """Request id with its leading zeros."""
    control: str | None = None
    """Sequence control of the telecommand."""
    supplement: int = 0
    suffix: str = "fits"

    @classmethod
    def parse(cls, name: str) -> ProductName:
        """Read a name.

        Raises
        ------
        NotAProductName
            If the name does not follow the scheme.

        Examples
        --------
        >>> name = ProductName.parse("solo_L1_stix-sci-xray-cpd_20201122T032220-20201122T032244_V02_0093579328-52.fits")
        >>> name.family, name.product, name.version, name.request
        ('sci', 'xray-cpd', 2, '0093579328')
        """
        found = _NAME.fullmatch(name)
        if found is None:
            raise NotAProductName(f"{name!r} is not the name of a product file")
        parts = found.groupdict()
        return cls(
            level=parts["level"],
            family=parts["family"],
            product=parts["product"] or "",
            span=parts["span"],
            version=int(parts["version"]),
            mark=parts["mark"],
            request=parts["request"],
            control=parts["control"],
            supplement=int(parts["supplement"] or 0),
            suffix=parts["suffix"],
        )

    def __str__(self) -> str:
        """The name."""
        request = "" if self.request is None else f"_{self.request}"
        control = "" if self.control is None else f"-{self.control}"
        return f"{self._stem}_V{self.version:02d}{self.mark}{request}{control}.{self.suffix}"

    @property
    def _stem(self) -> str:
        product = f"-{self.product}" if self.product else ""
        supplement = f"-sup{self.supplement}" if self.supplement else ""
        return f"solo_{self.level}_stix-{self.family}{product}{supplement}_{self.span}"

    @property
    def incomplete(self) -> bool:
        """Whether the file still grows."""
        return self.mark == "U"

    @property
    def complete(self) -> ProductName:
        """The name without U.

        Examples
        --------
        >>> str(ProductName.parse("solo_L1_stix-ql-lightcurve_20210116_V02U.fits").complete)
        'solo_L1_stix-ql-lightcurve_20210116_V02.fits'
        """
        return replace(self, mark=self.mark.removesuffix("U"))

    @property
    def archive_name(self) -> str:
        """Identity of the file in the archive: the first five parts, without request and U, with the suffix.

        The suffix is part of it, so that a plot never collides with the table it shows.

        Examples
        --------
        >>> ProductName.parse("solo_L0_stix-sci-xray-cpd_0659330400-0659330424_V02_0093579328-52.fits").archive_name
        'solo_L0_stix-sci-xray-cpd_0659330400-0659330424_V02.fits'
        """
        return str(replace(self.complete, request=None, control=None))

    @property
    def subject(self) -> str:
        """Subject of the file, independent of its version: files of one subject replace one another.

        Files of a request are identified by it, since their span moves by milliseconds with the clock kernel.

        Examples
        --------
        >>> ProductName.parse("solo_L1_stix-ql-lightcurve_20210116_V02U.fits").subject
        'L1 ql-lightcurve 20210116 fits'
        """
        about = f"{self.request}-{self.control or ''}".removesuffix("-") if self.of_request else self.span
        return f"{self.level} {self.kind} {about} {self.suffix}"

    @property
    def of_request(self) -> bool:
        """Whether the request answered by the file is known; 0 means one that the packets do not name."""
        return self.request is not None and int(self.request) > 0

    def answers(self, subject: str) -> bool:
        """Whether the file answers the same request as other files of this subject."""
        return self.of_request and self.subject == subject

    @property
    def kind(self) -> str:
        """family-product."""
        return f"{self.family}-{self.product}" if self.product else self.family

    @property
    def is_low_latency(self) -> bool:
        """Whether the level is a low-latency level."""
        return self.level.startswith("LL")

    def with_supplement(self, number: int) -> ProductName:
        """The complete name of a supplement to a file of the same archive name.

        Examples
        --------
        >>> str(ProductName.parse("solo_L0_stix-sci-xray-cpd_0659330400-0659330424_V02_1-2.fits").with_supplement(1))
        'solo_L0_stix-sci-xray-cpd-sup1_0659330400-0659330424_V02_1-2.fits'
        """
        return replace(self.complete, supplement=number)
