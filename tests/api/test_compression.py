"""Answers are compressed as clients accept, piece by piece."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest
import zstandard
from fastapi import FastAPI
from fastapi.responses import Response, StreamingResponse
from fastapi.testclient import TestClient

from broker_assets.api.compression import Compression

TEXT = b"diaObjectId,ra,dec\n" * 1000


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    app.add_middleware(Compression)

    @app.get("/text")
    def text() -> Response:
        return Response(TEXT, media_type="text/csv", headers={"Vary": "Accept", "ETag": '"t"'})

    @app.get("/stream")
    def stream() -> Response:
        def pieces() -> Iterator[bytes]:
            yield b""
            for begin in range(0, len(TEXT), 1000):
                yield TEXT[begin : begin + 1000]

        return StreamingResponse(pieces(), media_type="text/csv")

    @app.get("/small")
    def small() -> Response:
        return Response(b"small")

    @app.get("/image")
    def image() -> Response:
        return Response(TEXT, media_type="image/png")

    @app.get("/file")
    def file() -> Response:
        return Response(TEXT, headers={"Accept-Ranges": "bytes"})

    @app.get("/part")
    def part() -> Response:
        return Response(TEXT, 206, headers={"Content-Range": "bytes 0-9/99999"})

    return TestClient(app)


def raw(client: TestClient, path: str, encoding: str) -> tuple[bytes, str | None]:
    with client.stream("GET", path, headers={"Accept-Encoding": encoding}) as answer:
        return b"".join(answer.iter_raw()), answer.headers.get("content-encoding")


@pytest.mark.parametrize("path", ["/text", "/stream"])
def test_compressed(client: TestClient, path: str) -> None:
    content, encoding = raw(client, path, "gzip")
    assert (encoding, gzip.decompress(content)) == ("gzip", TEXT)
    content, encoding = raw(client, path, "gzip, zstd")
    assert encoding == "zstd"
    assert zstandard.ZstdDecompressor().decompressobj().decompress(content) == TEXT
    assert len(content) < len(TEXT) / 10
    assert raw(client, path, "identity") == (TEXT, None)
    answer = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["vary"].endswith("Accept-Encoding")
    assert answer.headers.get("etag", 'W/"t"') == 'W/"t"'


@pytest.mark.parametrize("path", ["/small", "/image", "/file", "/part"])
def test_left_as_it_is(client: TestClient, path: str) -> None:
    assert raw(client, path, "gzip, zstd")[1] is None


def test_what_cannot_be_read_of_the_header_counts_for_nothing(client: TestClient) -> None:
    assert raw(client, "/text", "gzip;q=much")[1] is None
    assert raw(client, "/text", "*;q=0.1")[1] is not None
