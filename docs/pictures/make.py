"""Pictures for the documentation, from a running demonstration: `make pictures`.

Needs the platform of this folder (`make run` in another terminal, until it says that everything is running and the
telemetry is published) and Chromium. A night of the archive is damaged for the picture of a failed check, and mended
again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from browser import Browser, NoBrowserError, PageError

from broker_assets.access import accounts, sessions
from broker_assets.database.engine import connect
from broker_assets.local.demo import CHECK_JOB, check_configuration
from broker_assets.local.demo_jobs import start_job
from broker_assets.local.platform import NotRunningError
from broker_assets.local.platform import addresses as addresses_of
from broker_assets.monitoring.state_file import Addresses
from broker_assets.settings import load_settings

FOLDER = Path(__file__).parent
LARGEST = 1_500_000
"""Bytes of all pictures: they stay in the repository for ever."""


@dataclass(frozen=True)
class Shot:
    """A picture of a page."""

    name: str
    path: str
    """Path in Dagster's pages, or that of our own if it begins with the address of the API."""
    shows: str
    """Text that the page has once it is complete."""
    width: int = 1400
    height: int = 900
    scale: float = 1.0
    """Pixels of the picture for one of the page: below 1 for large graphs."""
    then: Callable[[Browser], None] | None = None
    """What else to do before the picture."""


def _group(name: str, shows: str, *, width: int = 1400, height: int = 800, scale: float = 1.0) -> Shot:
    path = f"/locations/broker_assets/asset-groups/{name}/lineage"
    return Shot(f"group_{name}", path, shows, width=width, height=height, scale=scale, then=_loaded)


def _loaded(browser: Browser) -> None:
    """Wait for the state of the assets, which comes after the graph."""
    browser.wait("!document.body.innerText.includes('Loading')", "the state of the assets")


def _whole_page(browser: Browser) -> None:
    browser.resize(1100, int(browser.evaluate("document.documentElement.scrollHeight")))


def _plots(browser: Browser) -> None:
    button = "[...document.querySelectorAll('button')].find(e => e.textContent.trim() === 'Plots')"
    browser.wait(f"{button} !== undefined", "the button Plots")
    browser.evaluate(f"{button}.click()")
    browser.wait("document.querySelectorAll('canvas').length > 2", "plots of numbers")
    browser.evaluate(f"{button}.scrollIntoView()")


def _light_curve(browser: Browser) -> None:
    link = "[...document.querySelectorAll('*')].filter(e => e.textContent.trim() === '[Show Markdown]').pop()"
    browser.wait(f"{link} !== undefined", "the light curve of the day")
    browser.evaluate(f"{link}.click()")
    browser.wait("[...document.images].some(e => e.src.startsWith('data:') && e.width > 300)", "the light curve")


def _first_object(browser: Browser) -> None:
    browser.evaluate("document.querySelector('main table a').click()")
    browser.wait("document.querySelector('.live canvas') !== null", "the light curve of an object")


def _first_asteroid(browser: Browser) -> None:
    browser.evaluate("document.querySelector('main table a').click()")
    browser.wait("document.querySelector('svg.track') !== null", "the track of an object")


def _wrong_name(browser: Browser) -> None:
    browser.evaluate(
        "(field => { field.value = field.value.replace('flux2mag', 'flux2mg');"
        " field.dispatchEvent(new Event('input', {bubbles: true})) })(document.getElementById('text'))"
    )
    browser.wait("document.getElementById('problems').innerText.includes('Did you mean')", "what was meant")
    browser.wait("document.querySelector('.cm-lintRange-error') !== null", "the mark of the problem")


def _tried(browser: Browser) -> None:
    browser.evaluate(
        "(field => field.value = 'SELECT diaObjectId, nDiaSources, ra, decl FROM objects WHERE nDiaSources > 3')"
        "(document.getElementById('text'))"
    )
    browser.evaluate("[...document.querySelectorAll('button')].find(e => e.textContent.trim() === 'Try').click()")
    browser.wait("document.body.innerText.includes('✓ done')", "the end of the trial", 300)


@contextmanager
def logged_in(browser: Browser, addresses: Addresses) -> Iterator[None]:
    """An account for the time of a `with`, whose session the browser has."""
    with connect(addresses.database_url, autocommit=True) as connection:
        user = accounts.add(connection, "pictures", None)
        try:
            cookie, _ = sessions.begin(connection, user)
            browser.open(f"{addresses.api_url}/filters/", "Filters", width=1280, height=800)
            browser.evaluate(f"document.cookie = 'sessionid={cookie}; path=/'")
            yield
        finally:
            accounts.remove(connection, "pictures")


def own_shots(api: str) -> list[Shot]:
    """The pictures that need an account."""
    return [
        Shot("filter_editor", f"{api}/filters/create/", "Tables and columns", width=1280, height=900, then=_wrong_name),
        Shot("filter_trial", f"{api}/filters/create/", "Tables and columns", width=1280, height=800, then=_tried),
    ]


def shots(night: str, day: str, api: str) -> list[Shot]:
    """The pictures of a healthy platform; `night` and `day` are partitions that are filled."""
    return [
        _group("alerts", "packet_archive"),
        _group("facts", "watchlist_facts", height=1000, scale=0.8),
        _group("sky", "watchlist_hits", width=2300, height=2300, scale=0.65),
        _group("telemetry_quicklook", "l1_quicklook", width=1900, height=1300, scale=0.8),
        _group("telemetry_inputs", "spice_kernels", width=1600, height=2900, scale=0.5),
        Shot("asset", "/assets/sources?view=overview", "Written by the job", height=1000),
        Shot("plots", "/assets/sources?view=overview", "Latest materialization", then=_plots),
        Shot("partitions", f"/assets/sources?view=partitions&partition={night}", "rows written"),
        Shot("light_curve", f"/assets/l1_quicklook?view=partitions&partition={day}", "file list", then=_light_curve),
        Shot("sensors", "/automation", "kafka_lag", height=1000),
        Shot("front", f"{api}/", "Brightest new objects", width=1280, height=800),
        Shot("object", f"{api}/", "Brightest new objects", width=1280, height=1000, then=_first_object),
        Shot("solar_system", f"{api}/sso/", "Detected in the night", width=1280, height=900, then=_first_asteroid),
        Shot("status", f"{api}/status/", "Newest files", width=1100, then=_whole_page),
    ]


def take(browser: Browser, shot: Shot, addresses: Addresses) -> None:
    """Take a picture and write it."""
    url = shot.path if shot.path.startswith("http") else addresses.webserver_url + shot.path
    browser.open(url, shot.shows, width=shot.width, height=shot.height, scale=shot.scale)
    if shot.then is not None:
        shot.then(browser)
    content = browser.picture()
    (FOLDER / f"{shot.name}.png").write_bytes(content)
    print(f"{shot.name}.png  {len(content):,} bytes")


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """A file whose last packet is cut off, for the time of a `with`."""
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    try:
        yield
    finally:
        path.write_bytes(content)


def failed_check(browser: Browser, addresses: Addresses, night: str) -> None:
    """The page of a check that fails on a night, and what the status page says then."""
    with connect(addresses.database_url, autocommit=True) as connection:
        row = connection.execute("SELECT url FROM archive_file WHERE night = %s LIMIT 1", (night,)).fetchone()
    if row is None:
        raise PageError(f"the archive has no file of {night}")
    page = Shot("failed_check", "/assets/packet_archive?view=checks", "archive_is_complete", height=700)
    try:
        with damaged(Path(url2pathname(urlparse(row[0]).path))):
            start_job(addresses, CHECK_JOB, check_configuration([night]))
            _until_page(browser, addresses, page, "document.body.innerText.includes('Failed')")
            take(browser, page, addresses)
            browser.open(f"{addresses.api_url}/status/", "archive_is_complete", width=1100, height=700, seconds=120)
            (FOLDER / "status_failed.png").write_bytes(browser.picture())
    finally:
        start_job(addresses, CHECK_JOB, check_configuration([night]))


def _until_page(browser: Browser, addresses: Addresses, shot: Shot, condition: str, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        browser.open(addresses.webserver_url + shot.path, shot.shows, width=shot.width, height=shot.height)
        try:
            browser.wait(condition, shot.path, 10)
            return
        except PageError:
            if time.monotonic() > deadline:
                raise


def filled(addresses: Addresses) -> tuple[str, str]:
    """The last night of alerts and the last day with a light curve that are stored."""
    with connect(addresses.database_url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT (SELECT max(night)::text FROM ingest_batch_night), (SELECT max(day)::text FROM product_file"
            " WHERE level = 'L1' AND kind = 'ql-lightcurve' AND superseded_at IS NULL)"
        ).fetchone()
    if row is None or None in row:
        raise PageError("the demonstration has not stored alerts and telemetry yet: wait until `make run` says so")
    return row[0], row[1]


def main() -> int:
    """Take all pictures; the exit code is 1 if that is not possible."""
    try:
        addresses = addresses_of(load_settings())
        night, day = filled(addresses)
        with Browser() as browser:
            for shot in shots(night, day, addresses.api_url):
                take(browser, shot, addresses)
            with logged_in(browser, addresses):
                for shot in own_shots(addresses.api_url):
                    take(browser, shot, addresses)
            failed_check(browser, addresses, night)
    except (NoBrowserError, NotRunningError, PageError) as error:
        print(error, file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in FOLDER.glob("*.png"))
    print(f"{size:,} bytes in all")
    return 0 if size <= LARGEST else 1


if __name__ == "__main__":
    sys.exit(main())
