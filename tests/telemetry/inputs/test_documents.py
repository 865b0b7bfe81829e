"""Text and JSON of inputs: bounded, and every damage an error that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.telemetry.inputs.documents import bounded_json, bounded_text


def test_text_with_a_mark(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"a": [1]}')
    assert bounded_text(tmp_path / "a.json") == '{"a": [1]}'
    assert bounded_json(tmp_path / "a.json") == {"a": [1]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", "is not UTF-8 text: invalid start byte at byte 0"),
        (b"{", "is not a JSON document"),
        (b"[" * 90, "has 90 bytes; at most 80 are read"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=f"a.json {message}"):
        bounded_json(tmp_path / "a.json", 80)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a":' * 100_000)
    with pytest.raises(ValueError, match=r"a\.json is not a JSON document"):
        bounded_json(tmp_path / "a.json")
