"""CONTROL tables of every kind have the columns of the contract (chapter 3.4), in its order."""

from __future__ import annotations

import pytest

from broker_assets.telemetry.products.kinds import KINDS
from broker_assets.telemetry.products.schemas.schema import ProductSchema, schemas

ORIGIN = ["index", "raw_file", "packet", "parent"]
PACKET = ["scet_coarse", "scet_fine"]
QUICKLOOK = [*PACKET, "integration_time", *ORIGIN]
SCIENCE = [
    *("tc_packet_id_ref", "tc_packet_seq_control", "request_id", "time_stamp", "num_substructures", "index", "packet"),
    *("raw_file", "parent"),
]
SCHEMES = ["compression_scheme_counts_skm", "compression_scheme_triggers_skm"]
EDGES = "energy_bin_edge_mask"
CONTROL = {
    "sci-xray-rpd": [*SCIENCE, EDGES],
    "sci-xray-cpd": [*SCIENCE, *SCHEMES, EDGES],
    "sci-xray-scpd": [*SCIENCE, *SCHEMES, EDGES],
    "sci-xray-vis": [*SCIENCE, *SCHEMES, EDGES],
    "sci-xray-spec": [*SCIENCE, *SCHEMES, "detector_masks", EDGES],
    "sci-aspect-burst": [
        *("summing_value", "samples", "averaging_value", "request_id", "raw_file", "packet", "parent", "index")
    ],
    "ql-lightcurve": [*QUICKLOOK, "detector_mask", "pixel_mask", EDGES, "num_energies", "num_samples", *SCHEMES],
    "ql-background": [*QUICKLOOK, EDGES, "num_energies", "num_samples", *SCHEMES],
    "ql-spectra": [
        *(*QUICKLOOK, "pixel_mask", "compression_scheme_spectra_skm", "compression_scheme_triggers_skm"),
        *("num_energies", "num_samples"),
    ],
    "ql-variance": [
        *(*QUICKLOOK, "samples_per_variance", "pixel_mask", "detector_mask", "compression_scheme_variance_skm"),
        *("energy_bin_mask", "num_energies", "num_samples"),
    ],
    "ql-flareflag": [*QUICKLOOK, "num_samples"],
    "ql-tmstatusflarelist": [*PACKET, *ORIGIN],
    "hk-mini": QUICKLOOK,
    "hk-maxi": QUICKLOOK,
    "cal-energy": [
        *(*QUICKLOOK, "quiet_time", "live_time", "average_temperature", "detector_mask", "pixel_mask"),
        *("subspectrum_mask", "compression_scheme_counts_skm", "num_samples", "subspec_num_points"),
        *("subspec_num_summed_channel", "subspec_lowest_channel", "num_channels"),
    ],
}


def test_every_kind_is_compared() -> None:
    assert CONTROL.keys() == {kind.file_stem for kind in KINDS.values()}


@pytest.mark.parametrize("level", ["L0", "L1"])
@pytest.mark.parametrize("stem", CONTROL)
def test_columns(stem: str, level: str) -> None:
    (schema,) = [found for found in schemas() if (found.kind, found.level) == (stem, level)]
    assert control(schema) == CONTROL[stem]


def control(schema: ProductSchema) -> list[str]:
    (table,) = [extension for extension in schema.extensions if extension.name == "CONTROL"]
    return [column.name for column in table.columns]
