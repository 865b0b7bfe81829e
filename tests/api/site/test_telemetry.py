"""Pages of telemetry: calendar, search, product with everything it says, publication; what strangers wrote is text."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from counted_files import IMAGE, SCRIPT, counted
from page_browser import DESK, PHONE, PageBrowser
from site_visitors import without_markup
from telemetry_records import Records

from broker_assets.settings import DatabaseSettings, Settings

pytestmark = pytest.mark.database
DAY = "2026-11-27"
CURVE = "solo_L1_stix-ql-lightcurve_20261127_V02.fits"
BEFORE = "solo_L1_stix-ql-lightcurve_20261127_V01.fits"
DAMAGED = "solo_L1_stix-ql-spectra_20261127_V02.fits"
HOSTILE = f"{IMAGE}'\".fits"


@dataclass(frozen=True)
class Archive:
    """A server over an archive of a few files."""

    url: str
    client: httpx.Client
    records: Records

    def text(self, path: str) -> str:
        """A page that must be there."""
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.text[-2000:])
        return answer.text


@pytest.fixture(scope="module")
def archive(
    module_database_url: str,
    server_of: Callable[[Settings], AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Archive]:
    """Two versions of a light curve, a damaged file, one that is held, and one of a stranger."""
    home: Path = tmp_path_factory.mktemp("home")
    records = Records(module_database_url, home, datetime.datetime.now(datetime.UTC))
    settings = Settings(
        home=home, streams=[], telemetry=records.settings.telemetry,
        database=DatabaseSettings(url=module_database_url),  # type: ignore[arg-type]
    )  # fmt: skip
    folder = settings.telemetry_folder / "products" / "L1"
    counted(folder / BEFORE, version="1")
    counted(folder / CURVE, version=SCRIPT, observer=IMAGE)
    counted(folder / "hostile.fits", observer=SCRIPT)
    damaged = counted(folder / DAMAGED)
    damaged.write_bytes(damaged.read_bytes()[:9000])
    times: dict[str, Any] = {"starts": "2026-11-27T00:00:00.000", "ends": "2026-11-27T23:59:59.000"}
    records.product("L0", DAY)
    records.product("L1", DAY, name=BEFORE, version=1, **times)
    records.product("L1", DAY, name=CURVE, parent="solo_L0_stix-ql-lightcurve_20261127_V02.fits", **times)
    records.product("L1", DAY, name=DAMAGED, kind="ql-spectra")
    records.product("L1", DAY, name=HOSTILE, path="L1/hostile.fits", kind=SCRIPT, starts=IMAGE, code_version=SCRIPT)
    records.product("L2", DAY, parent=CURVE)
    records.decision(BEFORE, "published")
    records.decision(CURVE, "held", reason=f"90 rows, the delivered file has 100 {SCRIPT}")
    facts = {CURVE: {"rows": 90}, BEFORE: {"rows": 100}}
    for name, fact in facts.items():
        digest = hashlib.sha256(name.encode()).hexdigest()
        records.execute(
            f"UPDATE publication SET path = 'L1/' || name, subject = 'curve', facts = '{json.dumps(fact)}'::jsonb,"
            f" version = {1 if name == BEFORE else 2}, delivered_at = now() WHERE digest = '{digest}'"
        )
    records.execute(
        "INSERT INTO publication_receipt (publicationid, target, name, url, size, sha256, run_id)"
        " SELECT publicationid, target, name, 'file:///soar/secret/' || name, 5, 'abc', 'r' FROM publication"
        " WHERE status = 'published'"
    )
    records.file(f"{IMAGE}.xml", "processed")
    with server_of(settings) as url, httpx.Client(base_url=url, headers={"Accept": "text/html"}, timeout=60) as client:
        yield Archive(url, client, records)


def test_the_calendar_has_days_by_state(archive: Archive) -> None:
    page = archive.text("/telemetry/?month=2026-11")
    assert "‖ held" in page
    assert "/telemetry/products/?family=quicklook&amp;first=2026-11-27&amp;last=2026-11-27" in page
    assert "…/incoming" in page
    assert "<h2>Packets</h2>" in page
    assert "/telemetry/?month=2026-10" in page
    levels = archive.text("/telemetry/?month=2026-11&family=ql")
    assert '<th scope="col">L1</th>' in levels
    assert "family=quicklook&amp;level=L1&amp;first=2026-11-27" in levels
    assert "Nothing of level LL03 in 2026-11" in archive.text("/telemetry/?month=2026-11&level=LL03")
    assert 'aria-current="page">Telemetry</a>' in page
    for bad in ("2026-13", "x", "%00"):
        assert archive.client.get(f"/telemetry/?month={bad}").status_code == 400


def test_files_are_found_by_what_they_are(archive: Archive) -> None:
    def found(query: str) -> list[str]:
        page = archive.text(f"/telemetry/products/?{query}")
        return [name for name in (CURVE, BEFORE, DAMAGED) if f">{name}</a>" in page]

    assert found("name=SOLO_*lightcurve*&level=L1&first=&last=&kind=&version=") == [CURVE, BEFORE]
    assert found("name=LIGHTCURVE&version=V02&level=L1") == [CURVE]
    assert found("kind=ql-spectra&first=2026-11-27&last=2026-11-27") == [DAMAGED]
    assert found("first=2026-11-28") == []
    wrong = archive.client.get("/telemetry/products/?first=tomorrow&version=two")
    assert wrong.status_code == 400
    assert wrong.text.count('aria-invalid="true"') == 2
    assert 'value="tomorrow"' in wrong.text
    assert archive.client.get("/telemetry/products/?cursor=x").status_code == 400
    assert archive.client.get("/search/" + CURVE).headers["location"] == f"/telemetry/products/{CURVE}"


def test_a_product_says_all_about_itself(archive: Archive) -> None:
    page = archive.text(f"/telemetry/products/{CURVE}")
    words = without_markup(page)
    assert "‖ held" in page
    for said in ("MJD 61371.00000", "Light curve of 40 time bins in 5 energy bands", "solo_L2_stix-ql-lightcurve",
                 "solo_L0_stix-ql-lightcurve", "version 1 · compare", "time covered", "90 100 ≠ differs"):  # fmt: skip
        assert said in words, said
    picture = archive.client.get(f"/telemetry/products/{CURVE}/preview.png")
    assert (picture.headers["content-type"], picture.content[:4]) == ("image/png", b"\x89PNG")
    address = page.split('class="button" href="', 1)[1].split('"', 1)[0]
    part = archive.client.get(address, headers={"Range": "bytes=0-5"})
    assert (part.status_code, part.content) == (206, b"SIMPLE")
    compared = archive.text(f"/telemetry/products/{CURVE}?compare=1")
    assert "4 keywords differ" in compared
    assert 'class="mono">VERS_SW</th>' in compared
    moved = archive.client.get(f"/telemetry/products/{CURVE}?v=1&compare=2")
    assert moved.headers["location"] == f"/telemetry/products/{BEFORE}?compare=2"
    assert "Receipts" in archive.text(f"/telemetry/products/{BEFORE}")
    for path in (f"{CURVE}?v=9", f"{CURVE}?compare=9", "none.fits", "none.fits/preview.png", "%00"):
        assert archive.client.get(f"/telemetry/products/{path}").status_code == 404, path


def test_an_unreadable_file_is_downloaded_and_says_why(archive: Archive) -> None:
    page = archive.text(f"/telemetry/products/{DAMAGED}")
    assert "It cannot be read:" in page
    assert DAMAGED in page
    assert archive.client.get(f"/telemetry/products/{DAMAGED}/preview.png").status_code == 404
    address = page.split('class="button" href="', 1)[1].split('"', 1)[0]
    assert len(archive.client.get(address).content) == 9000
    absent = archive.text("/telemetry/products/solo_L0_stix-ql-lightcurve_20261127_V02.fits")
    assert "The file is not here." in absent
    assert "Download" not in absent


def test_publication_has_the_comparison_that_held_a_file(archive: Archive) -> None:
    page = archive.text("/telemetry/publication/")
    words = without_markup(page)
    assert "Waiting for an operator: 1" in words
    assert "rows 90 100 ≠ differs" in words
    assert BEFORE in page
    assert "/soar/secret" not in page  # of operators only


def test_what_strangers_wrote_is_text(archive: Archive) -> None:
    name = quote(HOSTILE, safe="")
    for path in ("/telemetry/?month=2026-11", f"/telemetry/products/?name={name}&kind={SCRIPT}&level={IMAGE}",
                 "/telemetry/products/", f"/telemetry/products/{name}", f"/telemetry/products/{CURVE}?compare=1",
                 "/telemetry/publication/", f"/telemetry/?month=2026-11&level={IMAGE}&family={SCRIPT}"):  # fmt: skip
        page = archive.text(path)
        assert "alert(1)" in page, path
        assert SCRIPT not in page, path
        assert IMAGE not in page, path
    page = archive.text(f"/telemetry/products/{name}")
    assert f'src="/telemetry/products/{name}/preview.png' in page
    assert archive.client.get(f"/telemetry/products/{name}/preview.png").content[:4] == b"\x89PNG"


@pytest.mark.browser
def test_the_pages_hold_in_every_size(archive: Archive, page_browser: PageBrowser) -> None:
    browser = page_browser
    wrong = []
    for path in ("/telemetry/?month=2026-11", "/telemetry/products/", f"/telemetry/products/{CURVE}?compare=1",
                 "/telemetry/publication/"):  # fmt: skip
        for size, dark in ((PHONE, True), (DESK, False)):
            browser.go(archive.url + path, size, dark=dark)
            if browser.sideways() > 0:
                wrong.append(f"{path} is wider than {size[0]} by {browser.sideways()} pixels")
            wrong += [f"{path}: {said}" for said in browser.inaccessible()]
    assert wrong == []
    browser.go(f"{archive.url}/telemetry/?month=2026-11&family=quicklook")
    browser.evaluate("document.querySelector('td.day a').focus()")
    first = browser.evaluate("document.activeElement.href")
    browser.key("ArrowRight")
    browser.soon(f"document.activeElement.href !== {first!r}")
    assert "level=L1" in browser.evaluate("document.activeElement.href")
    assert browser.troubles == []
    assert browser.hosts <= {archive.url.split("/")[2]}
