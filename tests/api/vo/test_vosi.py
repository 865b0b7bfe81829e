"""What services say of themselves."""

from __future__ import annotations

from xml.etree import ElementTree

from broker_assets.api.vo import vosi

LIMITS = vosi.Limits(10, 20, 30)


def test_documents_are_xml() -> None:
    for text in (vosi.capabilities("http://127.0.0.1/tap?a&b", LIMITS), vosi.availability(), vosi.tables()):
        ElementTree.fromstring(text)  # noqa: S314
    assert '<hard unit="row">10</hard>' in vosi.capabilities("x", LIMITS)
    assert "<name>diaobjectid</name>" in vosi.tables()
