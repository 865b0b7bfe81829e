"""The tree of product files: writing and describing them, and removing what is no longer made.

Nothing here decides what is made; see ``product_archive``. Files of other processing versions stay as they are.
"""

from __future__ import annotations

import datetime
import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np

from broker_assets.storage.atomic import PARTS, remove_abandoned, sync_folders
from broker_assets.telemetry.archive.days import family_of
from broker_assets.telemetry.archive.made_of import Provenance
from broker_assets.telemetry.archive.units import Unit, day_of_span
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.files import fits
from broker_assets.telemetry.products.files.headers import common_cards, extensions, level0_cards, level1_cards, remarks
from broker_assets.telemetry.products.files.record import ProductFile
from broker_assets.telemetry.products.files.tables import rows
from broker_assets.telemetry.products.kinds import BASE_VERSION, ProductKind
from broker_assets.telemetry.products.levels.derived import derived_file
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem
from broker_assets.telemetry.products.levels.level2 import Beyond
from broker_assets.telemetry.products.levels.levelb import levelb_file
from broker_assets.telemetry.products.levels.lightcurve_plot import lightcurve_svg
from broker_assets.telemetry.products.product import Product, level0_path, level1_path, levelb_path
from broker_assets.telemetry.reception.packet_store import StoredPacket


@dataclass
class Outcome:
    """What a run wrote and could not make."""

    written: list[Path] = field(default_factory=list)
    """Files that are new or different, in order of level."""
    unchanged: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    """Files that are no longer made: of the same request under another time range, or of a day that lost its rows."""
    problems: list[Problem] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)
    """What is deliberately not made: its program is not configured, or it is not yet due."""
    files: list[ProductFile] = field(default_factory=list)
    """Every file that was checked, written or not."""


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One rebuild at a time: a second one waits, then sees the packets that the first one used."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


class ProductTree:
    """Files below a folder, and what was done with them.

    Parameters
    ----------
    folder : Path
    inputs : Inputs
    report : callable
        Called with the path of each file that was written or checked.
    """

    def __init__(self, folder: Path, inputs: Inputs, report: Callable[[Path], None]) -> None:
        self.folder = folder
        self.inputs = inputs
        self.report = report
        self.outcome = Outcome()
        self._provenance = Provenance(inputs)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Run alone, after removing what a killed process left; at the end, the names of files are also on disk."""
        with _locked(self.folder):
            remove_abandoned(self.folder / PARTS)
            yield
            # Journals keep the order of changes: this one takes the renames before it to disk.
            if self.outcome.written:
                sync_folders([self.folder])

    def write_levelb(self, kind: ProductKind, unit: Unit, packets: Sequence[StoredPacket], day: datetime.date) -> None:
        """The file of raw packets of an on-board day or a request."""
        path = levelb_path(kind, unit.day, unit.asked)
        cards, tables = levelb_file(kind, path.name, packets, self.inputs.configuration.version)
        files = tuple(sorted({packet.raw.file for packet in packets}))
        self._write(
            ProductFile(
                path=path,
                level="LB",
                family=family_of(unit.key),
                kind="-".join(path.parts[1:-1]),
                version=BASE_VERSION,
                day=day,
                request=unit.asked,
                rows=len(packets),
                start=clock.text(packets[0].scet),
                end=clock.text(packets[-1].scet),
                parents=files,
                raw_files=files,
                inputs={"instrument_configuration": self.inputs.configuration.version},
            ),
            cards,
            tables,
        )

    def write_level0(self, product: Product, day: datetime.date) -> Path:
        """Write a product of level 0 and return its file; `day` is the on-board date of the observation."""
        product = self._with_origin(product, "L0", day)
        path = level0_path(product)
        cards = self._common(product, path)
        described = self._described(product, path, "L0", None, day)
        return self._write(described, [*cards, *level0_cards(product), *remarks(product)], extensions(product))

    def write_level1(self, product: Product, kernels: Kernels, day: datetime.date) -> Path:
        """Write a product of level 1 and return its file.

        `day` is the UTC date of the observation, or the on-board date if the product answers a request.
        """
        product = self._with_origin(product, "L1", day)
        times = np.array([product.start, product.end, product.average], dtype=np.int64)
        start, end, average = kernels.clock.utc(times)
        path = level1_path(product, start, end, average)
        cards = self._common(product, path)
        more = level1_cards(product, kernels, self.inputs.planning)
        described = self._described(product, path, "L1", kernels, day)
        return self._write(described, [*cards, *more, *remarks(product)], extensions(product))

    def write_derived(self, product: Product, made: Beyond, kernels: Kernels, utc: np.datetime64) -> Path:
        """Write a product that was made from one of level 1, and return its file; `utc` is the UTC day."""
        day = utc.astype(datetime.date)
        product = self._with_origin(product, product.level, day)
        path, cards, tables = derived_file(product, self.inputs, made.version)
        described = self._described(product, path, product.level, kernels, day)
        return self._write(replace(described, family=made.family, version=made.version), cards, tables)

    def write_picture(self, level1: Product, made: Beyond, kernels: Kernels, day: datetime.date) -> None:
        """The plot of a light curve, if it is due."""
        if made.picture is not None:
            described = self._described(level1, made.picture, "LL03", kernels, day)
            self._place(
                replace(described, version=made.version, parents=(made.parent,), incomplete=False),
                lightcurve_svg(level1.published(), kernels),
            )

    def remove(self, path: PurePosixPath) -> None:
        """Remove a file whose packets belong to another file now that there are more."""
        target = self.folder / path
        if target.exists():
            target.unlink()
            self.outcome.removed.append(target)

    def remove_matching(self, pattern: str) -> None:
        """Remove files whose paths match a pattern."""
        for target in sorted(self.folder.glob(pattern)):
            target.unlink()
            self.outcome.removed.append(target)

    def remove_apart(self, path: PurePosixPath, kept: set[Path], on_board: int | None) -> None:
        """Remove files of rows of a day whose columns differed from those of most, see `product.of_one_day`.

        Parameters
        ----------
        path : PurePosixPath
            Place of the file of the day.
        kept : set of Path
            Files that stay.
        on_board : int or None
            First second of the on-board day, if files of all days are in one folder.
        """
        start, _, rest = path.name.rpartition("_V")
        before = f"{start.rpartition('_')[0]}_"
        for target in sorted((self.folder / path.parent).glob(f"{before}*-*_V{rest}")):
            span = target.name.removeprefix(before).partition("_")[0]
            if target not in kept and (on_board is None or day_of_span(span) == on_board):
                target.unlink()
                self.outcome.removed.append(target)

    def remove_unmade(self, kept: set[Path]) -> None:
        """Remove files of the same folder, kind and version under another time range."""
        one = next(iter(kept))
        start, _, rest = one.name.rpartition("_V")
        pattern = f"{start.rpartition('_')[0]}_*_V{rest}"
        for path in one.parent.glob(pattern):
            if path not in kept:
                path.unlink()
                self.outcome.removed.append(path)

    def remove_others(self, kept: set[Path], one: Path) -> None:
        """Remove files of the same request and version under another time range."""
        stem, _, rest = one.name.split("_", 2)[2].partition("_")
        suffix = rest.split("_V", 1)[1] if "_V" in rest else rest
        level = one.relative_to(self.folder).parts[0]
        pattern = f"{one.name.split('_')[0]}_{level}_{stem}_*_V{suffix}"
        # Requests at level L1 are in the folder of their day, which a better clock may change.
        folders = {folder for path in kept for folder in (_beside(path) if level == "L1" else [path.parent])}
        for folder in sorted(folders):
            for path in sorted(folder.glob(pattern)):
                if path not in kept:
                    path.unlink()
                    self.outcome.removed.append(path)

    def _with_origin(self, product: Product, level: str, day: datetime.date) -> Product:
        """A product with its provenance in the header."""
        requests = () if product.request is None else (product.request[1],)
        lines = self._provenance.lines(level, product.kind.file_stem, day, requests)
        return replace(product, history=(*product.history, *lines))

    def _common(self, product: Product, path: PurePosixPath) -> list[fits.Card]:
        return common_cards(
            product.kind,
            product.level,
            path.name,
            raw_files=product.raw_files,
            parents=product.parents,
            configuration=self.inputs.configuration.version,
            version=product.kind.version,
            request=product.request,
        )

    def _described(
        self, product: Product, path: PurePosixPath, level: str, kernels: Kernels | None, day: datetime.date
    ) -> ProductFile:
        """The record of a file that is about to be written."""
        inputs = {
            "instrument_database": ", ".join(item.version for item in product.versions),
            "instrument_configuration": self.inputs.configuration.version,
        }
        if kernels is None:
            start, end = clock.text(product.start), clock.text(product.end)
        else:
            start, end = (str(time) for time in kernels.clock.utc(np.array([product.start, product.end])))
            inputs["spice_kernels"] = ", ".join(kernels.names)
        return ProductFile(
            path=path,
            level=level,
            family=family_of(product.kind.key),
            kind=product.kind.file_stem,
            version=product.kind.version,
            day=day,
            request=product.request,
            rows=rows(product.data),
            start=start,
            end=end,
            parents=product.parents,
            raw_files=product.raw_files,
            inputs=inputs,
            incomplete=product.kind.incomplete,
        )

    def _write(self, file: ProductFile, cards: list[fits.Card], tables: list[fits.Extension]) -> Path:
        return self._done(file, fits.write(self.folder / file.path, cards, tables, parts=self.folder / PARTS))

    def _place(self, file: ProductFile, content: bytes) -> Path:
        return self._done(file, fits.write_bytes(self.folder / file.path, content, parts=self.folder / PARTS))

    def _done(self, file: ProductFile, written: fits.Written) -> Path:
        target = self.folder / file.path
        (self.outcome.written if written.changed else self.outcome.unchanged).append(target)
        self.outcome.files.append(replace(file, digest=written.digest, size=written.size))
        self.report(target)
        return target


def _beside(path: Path) -> list[Path]:
    """Folder of a file in a tree of days (Y/M/D/TYPE), and those of the days before and after."""
    *_, year, month, day, family, _ = path.parts
    date = datetime.date(int(year), int(month), int(day))
    root = path.parents[4]
    days = (date + datetime.timedelta(days=number) for number in (-1, 0, 1))
    return [root.joinpath(*other.isoformat().split("-"), family) for other in days]
