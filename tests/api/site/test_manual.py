"""Documentation as HTML."""

from __future__ import annotations

import re

import pytest

from broker_assets.api.site import manual


def test_every_link_between_documents_and_every_picture_leads_somewhere() -> None:
    known = manual.documents()
    assert {"operating", "guide/object", "api"} <= set(known)
    found = {name: manual.rendered(name).html for name in known if name != "data-model"}
    for name, html in found.items():
        for target, anchor in re.findall(r'href="/help/([a-z0-9/-]+)(?:#([^"]+))?"', html):
            assert target in known, name
            if anchor and target != "data-model":
                assert f'id="{anchor}"' in found[target], (name, target, anchor)
        for picture in re.findall(r'src="/help/pictures/([^"]+)"', html):
            assert manual.picture(picture).startswith(b"\x89PNG")
        assert "<h1>" in html


def test_markup_is_text_and_no_link_runs_a_script() -> None:
    markup = '# A\n<script>x</script> <b onclick="y">\n\n'
    text = f"{markup}[a](javascript:alert(1)) [b](../../settings.py) ![c](../../etc/p.png)"
    html = manual.render(text, "guide/a").html
    assert "<script" not in html
    assert "<b " not in html
    assert "href" not in html
    assert 'src="/help/pictures/p.png"' in html


@pytest.mark.parametrize("name", ["../pyproject", "guide/../api", "nothing", "pictures/make", "", "/etc/passwd"])
def test_only_documents_are_read(name: str) -> None:
    with pytest.raises(manual.NoSuchDocument):
        manual.rendered(name)
    with pytest.raises(manual.NoSuchDocument):
        manual.picture(name)
