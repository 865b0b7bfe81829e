"""Addresses of survey images are those of web servers, since they become part of a content policy."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from broker_assets.settings.pages import SkyImage, usual_sky_images


def test_usual_ones_are_fine() -> None:
    assert all(one.url.startswith("https://") for one in usual_sky_images())
    assert SkyImage(name="x", url="http://127.0.0.1:8000/hips").url


@pytest.mark.parametrize("url", ["", "ftp://a/b", "https://a b/", "https://a/;script-src *", "//a", "https://a'/b"])
def test_others_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        SkyImage(name="x", url=url)
