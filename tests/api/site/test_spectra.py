"""Pages of spectra: uploaded, drawn with lines at a redshift, versions, downloads; each for those who may."""

from __future__ import annotations

from typing import Any

import pytest
from site_visitors import number_in, signed_in

pytestmark = pytest.mark.database
FILE = b"# wavelength[Angstrom] flux[Jy] err\n" + b"".join(b"%d %d 1\n" % (w, w % 7 + 5) for w in range(4000, 9000, 20))


@pytest.fixture(scope="module")
def path(people: Any) -> str:
    """The page of a spectrum of ann's target, which the group AGN sees."""
    target = number_in(people.ann.done("/targets/create/", name="M 1", ra="83.6", dec="22"))
    people.ann.done(f"/targets/{target}/share/", audience="group", group="AGN")
    assert "None is stored." in people.ann.text(f"/targets/{target}/")
    sent = people.ann.send(
        "/spectra/files/", file=("<b>.txt", FILE), target=str(target), z="0.05", mjd="61000.5", title="<i>M 1"
    )
    assert sent.status_code == 303, sent.text
    assert "&lt;i&gt;M 1" in people.bob.text(f"/targets/{target}/")
    return f"/spectra/files/{number_in(str(sent.headers['location']))}/"


def test_it_is_drawn_with_lines(people: Any, path: str) -> None:
    page = people.bob.text(f"{path}?element=H&element=nonsense&z=0.1")
    assert page.count("H 6562.8 Å at rest, 7219.1 Å here") == 2  # wide and narrow
    assert "H 6562.8 Å at rest, 6890.9 Å here" in people.bob.text(f"{path}?element=H")  # its own redshift
    assert people.bob.get(f"{path}?z=far").status_code == 422
    svg = people.bob.get(f"{path}plot.svg?element=Ca+II")
    assert (svg.headers["content-type"], "Ca II" in svg.text) == ("image/svg+xml", True)
    assert "default-src 'none'" in svg.headers["content-security-policy"]
    assert people.bob.text(f"{path}points.csv").splitlines()[:2] == [
        "wavelength[Angstrom],flux[Jy],uncertainty",
        "4000.0,8.0,1.0",
    ]
    file = people.bob.get(f"{path}file/")
    assert (file.content, file.headers["content-disposition"]) == (FILE, 'attachment; filename="_b_.txt"')
    for part in ("", "file/", "plot.svg", "points.csv"):
        assert people.eve.get(path + part).status_code == people.guest.get(path + part).status_code == 404
    assert "M 1" in people.bob.text("/spectra/files/")
    assert "No spectrum is public" in people.guest.text("/spectra/files/")


def test_of_an_object(people: Any) -> None:
    assert "No spectrum is public" in people.guest.text("/spectra/files/?object=7")
    made = people.ann.send("/spectra/files/", file=("a.txt", FILE), object="7", title="of an object", public="on")
    assert made.status_code == 303
    assert "of an object" in people.guest.text("/spectra/files/?object=7")
    assert "of an object" not in people.guest.text("/spectra/files/?object=8")
    assert 'name="object" value="8"' in people.ann.text("/spectra/files/?object=8")
    people.ann.done(f"/spectra/files/{number_in(made.headers['location'])}/delete/")


def test_versions_and_refusals(people: Any, path: str) -> None:
    ann, bob = people.ann, people.bob
    assert bob.send(f"{path}versions/", file=("x", FILE)).status_code == bob.send(f"{path}delete/").status_code == 403
    refused = ann.send(f"{path}versions/", file=("x", b"nothing"))
    assert (refused.status_code, "The existing versions are kept" in refused.text) == (422, True)
    again = ann.send(f"{path}versions/", file=("x.txt", FILE.replace(b"4000 8", b"4000 9")), remark="new flux")
    assert again.headers["location"] == f"{path}?said=saved&version=2"
    page = bob.text(path)
    assert "Version 2 of 2" in page
    assert "new flux" in page
    assert "Version 1 of 2" in bob.text(f"{path}?version=1")
    assert bob.get(f"{path}?version=3").status_code == 404
    wrong = ann.send("/spectra/files/", file=("x", b"4000 1\n4001 2"), target="999999")
    assert wrong.status_code == 404
    assert "Nothing is stored" in ann.send("/spectra/files/", file=("x", b"4000 1\n4001 2")).text


@pytest.mark.browser
def test_pages_can_be_read_in_a_browser(people: Any, path: str, page_browser: Any) -> None:
    signed_in(page_browser, people.url, people.ann)
    for place in (f"{path}?element=H&element=Ca+II", "/spectra/files/", "/spectra/?observatory=Paranal", "/elasticc/"):
        for dark, size in ((False, (1280, 800)), (True, (360, 740))):
            page_browser.go(people.url + place, size, dark=dark)
            assert page_browser.sideways() <= 0, place
            assert page_browser.inaccessible() == [], place
    assert page_browser.troubles == []


def test_it_is_removed(people: Any, path: str) -> None:
    assert "with 2 versions" in people.ann.text(f"{path}delete/")
    assert people.ann.done(f"{path}delete/") == "/spectra/files/?said=removed"
    assert people.ann.get(path).status_code == 404
