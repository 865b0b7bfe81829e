"""Addresses of other services."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from broker_assets.sky.links import links_at


def test_every_service_gets_the_position() -> None:
    for name, address in links_at(10.5, -5.25):
        parts = urlsplit(address)
        assert parts.scheme == "https"
        assert "10.5" in parts.query, name
        assert "5.25" in parts.query, name


def test_a_known_transient_is_linked_by_its_name() -> None:
    found = dict(links_at(10.5, 5.25, tns_name="2023ixf"))
    assert found["TNS"].endswith("/object/2023ixf")
    assert parse_qs(urlsplit(found["NED"]).query)["lat"] == ["5.250000d"]
    assert "<" not in dict(links_at(0, 0, tns_name="<x>"))["TNS"]
