import gzip
import io
from typing import Any

import fastavro
import matplotlib.image
import numpy as np
import pytest
from astropy.io import fits

from broker_assets.packets import cutouts
from broker_assets.packets.cutouts import CutoutError
from broker_assets.packets.framing import Framer
from broker_assets.packets.registry import NoSchemas


def stamp(*images):
    file = io.BytesIO()
    units = [fits.PrimaryHDU(images[0]), *(fits.ImageHDU(image) for image in images[1:])]
    fits.HDUList(units).writeto(file)
    return file.getvalue()


def pixels(png):
    return np.round(matplotlib.image.imread(io.BytesIO(png)) * 255).astype(int)


def test_a_ramp_goes_from_black_to_white_with_its_first_row_at_the_bottom():
    image = np.repeat(np.arange(40.0)[:, None], 30, axis=1)
    picture = pixels(cutouts.to_png(stamp(image), scale=2))
    assert picture.shape == (80, 60)
    assert picture[-1, 0] == 0
    assert picture[0, 0] == 255
    assert (np.diff(picture[::2], axis=0) <= 0).all(), "brighter towards the last row, at the top"
    assert (picture[::2] == picture[1::2]).all()
    assert (picture == picture[:, :1]).all()


def test_pixels_without_a_value_are_neutral():
    image = np.random.default_rng(1).normal(size=(20, 20))
    image[3, 4] = np.nan
    picture = pixels(cutouts.to_png(stamp(image), scale=1))
    assert picture[20 - 1 - 3, 4] == cutouts.NEUTRAL_GREY


@pytest.mark.parametrize("image", [np.full((5, 5), np.nan), np.zeros((5, 5)), np.full((5, 5), np.inf)])
def test_an_image_without_contrast_is_still_a_picture(image):
    picture = pixels(cutouts.to_png(stamp(image)))
    assert picture.shape == (20, 20)
    assert np.unique(picture).size == 1


def test_the_first_image_counts():
    assert cutouts.image(stamp(np.ones((4, 5)), np.zeros((41, 41)))).shape == (4, 5)
    assert cutouts.image(stamp(None, np.ones((6, 7)))).shape == (6, 7)


def test_compressed_stamps():
    content = stamp(np.ones((4, 5)))
    assert cutouts.to_fits(gzip.compress(content)) == content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a FITS file: it begins with b''"),
        (b"JUNK" * 100, "not a FITS file: it begins with b'JUNKJUNKJ'"),
        (gzip.compress(b"no fits", mtime=0), "not a FITS file: it begins with b'no fits'"),
        (gzip.compress(b"x" * 99, mtime=0)[:-9], "the cutout cannot be read: the gzip data are (damaged|truncated)"),
    ],
)
def test_what_is_no_stamp(content, reason):
    with pytest.raises(CutoutError, match=reason):
        cutouts.to_fits(content)


def test_a_damaged_stamp():
    content = stamp(np.ones((40, 50)))
    with pytest.raises(CutoutError, match=r"damaged|cannot be read"):
        cutouts.to_png(content[:2000])
    with pytest.raises(CutoutError, match="two axes"):
        cutouts.image(stamp(None))


def test_scale():
    with pytest.raises(ValueError, match="scale"):
        cutouts.to_png(stamp(np.ones((4, 5))), scale=0)


@pytest.mark.shared
def test_real_stamps_of_ztf(alerts):
    message = sorted((alerts / "ztf").glob("*.avro"))[0].read_bytes()
    record: Any = next(fastavro.reader(io.BytesIO(message)))
    framed = Framer("container", NoSchemas()).split([message])
    datum = framed.buffers[0][framed.starts[0] : framed.ends[0]]
    for kind in ("science", "template", "difference"):
        content = cutouts.from_datum(datum, framed.schemas[0].schema, kind)
        assert content == gzip.decompress(record[f"cutout{kind.capitalize()}"]["stampData"])
        picture = pixels(cutouts.to_png(content))
        assert picture.shape == (252, 252)
        assert (picture.min(), picture.max()) == (0, 255)
    with pytest.raises(CutoutError, match="known"):
        cutouts.from_datum(datum, framed.schemas[0].schema, "colour")


@pytest.mark.shared
def test_real_stamps_of_rubin(alerts, rubin_schemas):
    message = (alerts / "lsst" / "7912941781254298.confluent.avro").read_bytes()
    schema = rubin_schemas.by_id(900)
    sizes = {kind: len(cutouts.from_datum(message[5:], schema, kind)) for kind in ("science", "template", "difference")}
    assert sizes == {"science": 34560, "template": 69120, "difference": 34560}
    assert cutouts.image(cutouts.from_datum(message[5:], schema, "science")).shape == (30, 30)
    with pytest.raises(CutoutError, match="cannot be read"):
        cutouts.from_datum(message[5:5000], schema, "science")


@pytest.mark.shared
def test_packets_without_cutouts(alerts):
    message = sorted((alerts / "elasticc").glob("*.avro"))[0].read_bytes()
    framed = Framer("container", NoSchemas()).split([message])
    with pytest.raises(CutoutError, match="no science cutout"):
        cutouts.from_datum(framed.buffers[0][framed.starts[0] : framed.ends[0]], framed.schemas[0].schema, "science")


def test_an_image_that_claims_more_pixels_than_it_may_have():
    """Compressed, an image without content is a few kilobytes whatever its size."""
    file = io.BytesIO()
    images = [fits.PrimaryHDU(), fits.CompImageHDU(np.zeros((4100, 4100), np.uint8))]
    fits.HDUList(images).writeto(file)
    with pytest.raises(CutoutError, match="pixels; at most"):
        cutouts.to_png(file.getvalue())
    small = io.BytesIO()
    fits.PrimaryHDU(np.zeros((2000, 2000), np.float32)).writeto(small)
    with pytest.raises(CutoutError, match="times 4 is larger"):
        cutouts.to_png(small.getvalue(), scale=4)
