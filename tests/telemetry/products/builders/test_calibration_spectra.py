"""Calibration spectra of one packet: sub-spectra of summed channels shared among the 1024 of the converter."""

from __future__ import annotations

from collections.abc import Callable

from single_packets import START

from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.product import Product

Maker = Callable[..., Product]
MakerOfAll = Callable[..., tuple[list[Product], list[str]]]


def calibration(pieces: list[tuple[int, int, int, list[int]]], **more: object) -> dict[str, object]:
    """Pieces of detector, pixel, sub-spectrum and points; sub-spectrum 0 is 4 points of 2 channels from channel 100."""
    values: dict[str, object] = {"NIX00445": START, "NIX00122": 3600, "NIX00123": 6, "NIX00124": 3_500_000}
    values |= {"NIXD0127": 5, "NIXD0128": 3, "NIX00407": 0xFFFFFFFF, "NIXD0407": 0xFFF, "NIX00160": 0b11}
    for number, (points, summed, lowest) in enumerate([(4, 2, 100), (3, 1, 500)]):
        values |= {f"NIXD0{129 + 3 * number}": points - 1, f"NIXD0{130 + 3 * number}": summed - 1}
        values[f"NIXD0{131 + 3 * number}"] = lowest
    values |= {"NIX00159": len(pieces), "NIXD0155": [piece[0] for piece in pieces]}
    values |= {"NIXD0156": [piece[1] for piece in pieces], "NIXD0157": [piece[2] for piece in pieces]}
    values |= {"NIX00146": [len(piece[3]) for piece in pieces]}
    values["NIX00158"] = [point for piece in pieces for point in piece[3]]
    return values | more


def test_counts_of_summed_channels_are_shared_equally(make: Maker) -> None:
    pieces = [(3, 5, 0, [2, 4, 6, 8]), (3, 5, 1, [1, 2, 3]), (31, 11, 1, [7, 0, 0])]
    product = make((21, 6, 41), calibration(pieces), problem="spectrum 1: points of 1 of 2 pixels are missing")
    counts = product.data["counts"].values
    assert counts.shape == (1, 32, 12, 1024)
    assert counts[0, 3, 5, 100:108].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    assert counts[0, 3, 5, 500:503].tolist() == [1, 2, 3]
    assert counts[0, 31, 11, 500] == 7
    assert counts.sum() == 20 + 6 + 7
    assert clock.seconds(product.time).tolist() == [START + 1800]
    assert clock.seconds(product.timedel).tolist() == [3600]


def test_pieces_of_a_sub_spectrum_go_on_where_the_one_before_ended(make: Maker) -> None:
    product = make((21, 6, 41), calibration([(0, 0, 0, [2, 4]), (0, 0, 0, [6, 8])], NIX00160=1))
    assert product.data["counts"].values[0, 0, 0, 100:108].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]


def test_pieces_follow_the_sequence_count_whatever_the_clock_says(make_all: MakerOfAll) -> None:
    """The count rolls over, and the clock is set back, between two packets of one spectrum."""
    pieces = [[(0, 0, 0, [2, 4])], [(0, 0, 0, [6])], [(0, 0, 0, [8])]]
    packets = [calibration(of_packet, NIX00160=1) for of_packet in pieces]
    (product,), problems = make_all((21, 6, 41), *packets, counts=(16383, 0, 1), times=(20, 20, 0))
    assert problems == []
    assert product.data["counts"].values[0, 0, 0, 100:108].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]


def test_spectra_of_hostile_packets_are_bounded(make_all: MakerOfAll) -> None:
    """Each packet that names a time of its own would need six megabytes."""
    packets = [calibration([(0, 0, 0, [2])], NIX00160=1, NIX00445=START + number) for number in range(400)]
    products, problems = make_all((21, 6, 41), *packets)
    assert products == []
    assert problems[-1] == "its counts would have 157,286,400 values, and 134,217,728 are possible"
