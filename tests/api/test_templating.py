"""Pages load nothing from elsewhere."""

from __future__ import annotations

from broker_assets.api.templating import render


def test_the_policy_says_what_the_page_may() -> None:
    page = render("login.html", 429, csrf="<x>", user=None, said="no & no", next="/")
    assert page.status_code == 429
    text = bytes(page.body).decode()
    assert "&lt;x&gt;" in text
    assert "no &amp; no" in text
    policy = page.headers["content-security-policy"]
    nonce = policy.split("style-src 'nonce-")[1].split("'")[0]
    assert f'<style nonce="{nonce}">' in text
    assert "form-action 'self'" in policy
    again = render("login.html", csrf="", user=None, said="", next="/")
    assert nonce not in again.headers["content-security-policy"]
