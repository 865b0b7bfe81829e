"""Files of the levels made from level L1, CAL and ANC: their places, headers and tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from broker_assets.telemetry.inputs.kernels import KernelError, Kernels
from broker_assets.telemetry.inputs.soop import Planning
from broker_assets.telemetry.products.files.fits import Card, Extension
from broker_assets.telemetry.products.files.headers import common_cards, extensions, level1_cards, remarks
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.products.product import Product


def derived_path(product: Product, kernels: Kernels, version: int) -> PurePosixPath:
    """Place of a file in the archive.

    The name has begin and end (CAL), or the UTC day of the centre if the product grows through the day (ANC); the
    folder is that of the day of the centre.
    """
    kind = product.kind
    start, end, average = kernels.clock.utc(np.array([product.start, product.end, product.average], dtype=np.int64))
    day = str(average.astype("datetime64[D]"))
    if kind.incomplete:
        span, mark = day.replace("-", ""), "U"
    else:
        times = (str(time.astype("datetime64[s]")) for time in (start, end))
        span, mark = "-".join(text.replace("-", "").replace(":", "") for text in times), ""
    name = f"solo_{product.level}_stix-{kind.file_stem}_{span}_V{version:02d}{mark}.fits"
    return PurePosixPath(product.level, *day.split("-"), kind.family.upper(), name)


def derived_cards(product: Product, kernels: Kernels, planning: Planning) -> list[Card]:
    """Cards after the common ones: those of level L1, replaced by the product's own where it has any."""
    own = {card[0]: card for card in product.cards}
    cards = [own.pop(card[0], card) for card in level1_cards(replace(product, cards=()), kernels, planning)]
    return [*cards, *own.values()]


def derived_file(product: Product, inputs: Inputs, version: int) -> tuple[PurePosixPath, list[Card], list[Extension]]:
    """Place, primary header and tables of a file, as ``fits.write`` takes them.

    Parameters
    ----------
    product : Product
        Of level CAL or ANC.
    inputs : Inputs
        With kernels.
    version : int
        Processing version of the product at its level.

    Raises
    ------
    KernelError
        If there are no kernels.
    """
    if inputs.kernels is None:
        raise KernelError(f"level {product.level} needs SPICE kernels")
    path = derived_path(product, inputs.kernels, version)
    cards = common_cards(
        product.kind,
        product.level,
        path.name,
        raw_files=product.raw_files,
        parents=product.parents,
        configuration=inputs.configuration.version,
        version=version,
        request=None,
    )
    more = derived_cards(product, inputs.kernels, inputs.planning)
    return path, [*cards, *more, *remarks(product)], extensions(product)
