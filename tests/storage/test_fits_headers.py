"""Headers that claim the impossible: every reader of files that strangers send refuses them at once."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.context.loading import CatalogueError, read_parts
from broker_assets.packets.cutouts import CutoutError, image
from broker_assets.sky.areas import NotAnArea, read_moc
from broker_assets.sky.skymaps import NotASkyMap, read_sky_map
from broker_assets.storage.fits_headers import ImpossibleHeader, refuse_impossible, refuse_impossible_in
from broker_assets.telemetry.packets.packet_tables import NotPackets, read_tables
from broker_assets.tom.spectra.spectrum_files import BadSpectrum, read_spectrum


def a_file(keyword: str, claim: int) -> bytes:
    """A file with an image and a table, one of whose counts is wrong."""
    buffer = io.BytesIO()
    table = fits.BinTableHDU.from_columns([fits.Column("UNIQ", "K", array=np.arange(4, 9))])
    fits.HDUList([fits.PrimaryHDU(np.zeros((3, 3))), table]).writeto(buffer)
    cards = buffer.getvalue()
    at = cards.index(keyword.ljust(8).encode() + b"= ")
    return cards[:at] + f"{keyword:<8}= {claim:>20}".ljust(80).encode() + cards[at + 80 :]


def in_catalogue(content: bytes, folder: Path) -> object:
    path = folder / "catalogue.fits"
    path.write_bytes(content)
    return list(read_parts(path))


READERS: dict[str, tuple[Callable[[bytes, Path], object], type[Exception]]] = {
    "area": (lambda content, _: read_moc(content), NotAnArea),
    "sky map": (lambda content, _: read_sky_map(content), NotASkyMap),
    "cutout": (lambda content, _: image(content), CutoutError),
    "spectrum": (lambda content, _: read_spectrum(content, "spectrum.fits"), BadSpectrum),
    "telemetry": (lambda content, _: list(read_tables(io.BytesIO(content), "file.fits")), NotPackets),
    "catalogue": (in_catalogue, CatalogueError),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("keyword", ["NAXIS", "TFIELDS"])
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_believes_it(reader: str, keyword: str, tmp_path: Path) -> None:
    read, error = READERS[reader]
    with pytest.raises(error, match=f"{keyword} is 9999999999; FITS allows 999"):
        read(a_file(keyword, 9_999_999_999), tmp_path)


@pytest.mark.parametrize("claim", [-1, 10**18, 10**19])
@pytest.mark.parametrize("keyword", ["NAXIS2", "PCOUNT"])
@pytest.mark.parametrize("reader", READERS)
def test_sizes_of_no_file(reader: str, keyword: str, claim: int, tmp_path: Path) -> None:
    read, error = READERS[reader]
    with pytest.raises(error, match=f"{keyword} is {claim}, which is not the size of anything"):
        read(a_file(keyword, claim), tmp_path)


@given(st.sampled_from(["NAXIS", "TFIELDS"]), st.integers(0, 10**12))
def test_what_fits_allows_is_left_to_the_reader(keyword: str, claim: int) -> None:
    content = a_file(keyword, claim)
    if claim <= 999:
        refuse_impossible(content)
        refuse_impossible_in(io.BytesIO(content))
        return
    with pytest.raises(ImpossibleHeader):
        refuse_impossible(content)


def test_numbers_of_data_are_no_cards_and_a_stream_stays_where_it_is(tmp_path: Path) -> None:
    content = a_file("NAXIS", 2) + b"x" + b"NAXIS   =           1000000000".ljust(79)
    refuse_impossible(content)
    path = tmp_path / "file.fits"
    path.write_bytes(content)
    with path.open("rb") as stream:
        stream.seek(80)
        refuse_impossible_in(stream)
        assert stream.tell() == 80
    memory = io.BytesIO(content)
    memory.seek(160)
    refuse_impossible_in(memory)
    assert memory.tell() == 160
    with (tmp_path / "empty").open("wb+") as stream:
        refuse_impossible_in(stream)
