"""Files are fetched from public addresses, whole and small."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loopback import LoopbackServer, QuietHandler

from broker_assets.delivery.public_files import CannotFetch, fetch


class _Handler(QuietHandler):
    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/elsewhere" else 200)
        self.send_header("Location", "http://169.254.169.254/")
        self.end_headers()
        self.wfile.write(b"<VOTABLE/>" * (100 if self.path == "/large" else 1))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with LoopbackServer(_Handler) as server:
        yield server.url


def test_a_file(address: str) -> None:
    assert fetch(f"{address}/a?b", most_bytes=100, private_addresses=True) == b"<VOTABLE/>"
    with pytest.raises(CannotFetch, match="more than"):
        fetch(f"{address}/large", most_bytes=100, private_addresses=True)
    with pytest.raises(CannotFetch, match="redirects"):
        fetch(f"{address}/elsewhere", most_bytes=100, private_addresses=True)
    with pytest.raises(CannotFetch, match="not public"):
        fetch(address, most_bytes=100)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a/b", "http://", "http://a:x/", "http://user@127.0.0.1/", "http://[::1]/"]
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(CannotFetch):
        fetch(url, most_bytes=100)
