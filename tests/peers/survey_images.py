"""A server of survey images on loopback: a HiPS whose tiles all look the same, and the requests it received."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from loopback import LoopbackServer, QuietHandler
from PIL import Image

PROPERTIES = """\
creator_did          = ivo://example/P/test
obs_title            = Test survey
dataproduct_type     = image
hips_version         = 1.4
hips_order           = 3
hips_order_min       = 0
hips_frame           = equatorial
hips_tile_width      = 512
hips_tile_format     = jpeg
hips_status          = public master clonableOnce
"""


@dataclass
class Survey:
    """A survey that is served."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    """Paths of requests."""


def _picture(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (120, 80, 40)).save(buffer, format="jpeg")
    return buffer.getvalue()


@contextmanager
def survey_images() -> Iterator[Survey]:
    """Serve a survey for the time of a `with`."""
    found = Survey()
    tile = _picture(512, 512)
    answers = {
        "properties": ("text/plain", PROPERTIES.encode()),
        "Allsky.jpg": ("image/jpeg", _picture(27 * 64, 29 * 64)),
    }

    class Answers(QuietHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            name = self.path.partition("?")[0].rpartition("/")[2]
            usual = ("image/jpeg", tile) if name.endswith(".jpg") else ("text/plain", b"")
            kind, content = answers.get(name, usual)
            self.send_response(200 if content else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with LoopbackServer(Answers) as server:
        found.url = f"{server.url}/hips"
        yield found
