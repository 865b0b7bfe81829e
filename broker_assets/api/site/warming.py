"""Loads what the first page of an object needs, while the server already answers.

Compiled functions and templates are loaded when they are used for the first time, which takes seconds; without this the
first reader after a start waits for them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)


class Warming:
    """Loads once, in a daemon thread.

    Parameters
    ----------
    load : callable
        Function that loads what is needed.
    """

    def __init__(self, load: Callable[[], None]) -> None:
        self._load = load
        self._once = threading.Lock()
        self._done = threading.Event()

    def start(self) -> threading.Thread | None:
        """Start and return the thread that loads; None if another one is loading, or has loaded."""
        if self._done.is_set() or not self._once.acquire(blocking=False):
            return None
        thread = threading.Thread(target=self._run, name="warming", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        begin = time.monotonic()
        try:
            self._load()
            self._done.set()
            log.info("what pages of objects need is loaded, after %.1f s", time.monotonic() - begin)
        except Exception:
            # Pages then load it themselves, and say what is wrong.
            log.exception("what pages of objects need could not be loaded ahead")
        finally:
            self._once.release()


def warm() -> None:
    """Use every part of the page of an object once, with an artificial light curve and without the database."""
    import numpy as np

    from broker_assets.api.templating import templates
    from broker_assets.lightcurves.chart.marks import marks, summary
    from broker_assets.lightcurves.chart.points import CurvePoints
    from broker_assets.lightcurves.chart.rows import as_csv, document
    from broker_assets.lightcurves.chart.state import ChartState
    from broker_assets.lightcurves.chart.svg import chart_svg
    from broker_assets.lightcurves.galactic import galactic
    from broker_assets.lightcurves.photometry import band_codes
    from broker_assets.packets.timescales import unix_to_mjd_tai
    from broker_assets.plots import label_font
    from broker_assets.search.finding import object_title
    from broker_assets.sky.angles import sexagesimal
    from broker_assets.sky.cone_search import cone_ranges
    from broker_assets.sky.finder_svg import finder_svg
    from broker_assets.sky.links import links_at
    from broker_assets.sky.marked_field import MarkedField, Point
    from broker_assets.sky.separation import separation

    values = np.array([100.0, 200.0])
    number = np.array([1, 2], np.int64)
    points = CurvePoints(
        mjd=60_000.0 + values, kind=np.zeros(2, np.int8), band=band_codes(["g", "r"]), survey=np.ones(2, np.int16),
        identifier=number, diaobjectid=number, flux=values, error=values / 10, total=values, total_error=values / 10,
        snr=values, reliability=values, has_packet=np.ones(2, np.bool_),
    )  # fmt: skip
    now = float(unix_to_mjd_tai([time.time()])[0])
    for state in (ChartState(), ChartState(y="mag", x="ago")):
        shown = marks(points, state)
        chart_svg(shown, state, now=now, standalone=True)
        summary(shown, state)
        document(shown, now=now)
        as_csv(points)
    position = np.array([10.0])
    galactic(position, position)
    separation(10.0, 10.0, position, position)
    cone_ranges(10.0, 10.0, 60.0)
    sexagesimal(10.0, 10.0)
    links_at(10.0, 10.0)
    finder_svg(MarkedField(10.0, 10.0, 0.01, (Point(10.0, 10.0, "x"),)), summary="")
    object_title(1)
    label_font()
    _warm_stamps()
    for name in ("object.html", "front.html", "search.html", "error.html"):
        templates.get_template(name)


def _warm_stamps() -> None:
    """Read an artificial packet with an image, and draw it: readers wait longest for the stamps."""
    import io

    import numpy as np
    from astropy.io import fits
    from astropy.wcs import WCS

    from broker_assets.packets.reader import PacketReader
    from broker_assets.packets.stamp_pictures import limits, oriented, stamp_png

    sky = WCS(naxis=2)
    sky.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    buffer = io.BytesIO()
    fits.PrimaryHDU(np.zeros((4, 4), np.float32), sky.to_header()).writeto(buffer)
    fields = [{"name": "cutout", "type": ["null", "bytes"]}, {"name": "flux", "type": "double"}]
    reader = PacketReader({"type": "record", "name": "alert", "fields": fields}, {"": ["cutout"]})
    reader.read([bytes(9)])
    drawn = oriented(buffer.getvalue(), (0.0, 0.0))
    stamp_png(drawn, *limits(drawn.pixels, difference=False), stretched=True)


PROCESS: Final = Warming(warm)
"""One for the process, however many applications it has."""
