"""URLs of pages of other services about a position or a solar-system object."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def links_at(ra: float, dec: float, *, tns_name: str | None = None) -> list[tuple[str, str]]:
    """Names of services and their URLs for a position.

    Parameters
    ----------
    ra, dec : float
        ICRS, degrees.
    tns_name : str, optional
        Name in the Transient Name Server, without prefix.

    Examples
    --------
    >>> dict(links_at(10.5, -5.25))["SIMBAD"]
    'https://simbad.cds.unistra.fr/simbad/sim-coo?Coord=10.500000d+-5.250000d&Radius=10&Radius.unit=arcsec'
    """
    at = f"{ra:.6f}d {dec:+.6f}d".replace("+", "")
    both = f"{ra:.6f} {dec:+.6f}"
    ned = {"search_type": "Near Position Search", "in_csys": "Equatorial", "in_equinox": "J2000.0", "radius": "0.5"}
    tns = (
        f"https://www.wis-tns.org/object/{quote(tns_name, safe='')}"
        if tns_name
        else "https://www.wis-tns.org/search?" + urlencode({"ra": f"{ra:.6f}", "decl": f"{dec:.6f}", "radius": 5})
    )
    return [
        ("SIMBAD", "https://simbad.cds.unistra.fr/simbad/sim-coo?"
            + urlencode({"Coord": at, "Radius": 10, "Radius.unit": "arcsec"})),
        ("NED", "https://ned.ipac.caltech.edu/cgi-bin/objsearch?"
            + urlencode(ned | {"lon": f"{ra:.6f}d", "lat": f"{dec:.6f}d"})),
        ("TNS", tns),
        ("VizieR", "https://vizier.cds.unistra.fr/viz-bin/VizieR?" + urlencode({"-c": both, "-c.rs": 5})),
        ("Aladin", "https://aladin.cds.unistra.fr/AladinLite/?" + urlencode({"target": both, "fov": 0.05})),
        ("Legacy Survey", "https://www.legacysurvey.org/viewer?"
            + urlencode({"ra": f"{ra:.6f}", "dec": f"{dec:.6f}", "zoom": 16, "mark": f"{ra:.6f},{dec:.6f}"})),
    ]  # fmt: skip


def links_of_designation(designation: str) -> list[tuple[str, str]]:
    """Names of services and their URLs for a solar-system object.

    Parameters
    ----------
    designation : str
        Number or unpacked designation.

    Examples
    --------
    >>> dict(links_of_designation("2004 JQ12"))["JPL small bodies"]
    'https://ssd.jpl.nasa.gov/tools/sbdb_lookup.html#/?sstr=2004%20JQ12'
    """
    name = quote(designation, safe="")
    return [
        ("Minor Planet Center", f"https://www.minorplanetcenter.net/db_search/show_object?object_id={name}"),
        ("JPL small bodies", f"https://ssd.jpl.nasa.gov/tools/sbdb_lookup.html#/?sstr={name}"),
    ]
