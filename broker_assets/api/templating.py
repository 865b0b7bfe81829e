"""Pages: the templates, and the policy of what a page may load."""

from __future__ import annotations

import secrets
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

templates = Environment(
    loader=PackageLoader("broker_assets.api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
"""Templates of this package; what they show is escaped."""


def render(name: str, code: int = 200, *, forms: bool = True, scripts: bool = False, **values: Any) -> HTMLResponse:
    """A page that loads nothing from elsewhere and is in no frame.

    Parameters
    ----------
    name : str
        Template; it gets `nonce` for its style, and for its script if it may have one.
    code : int
        HTTP status.
    forms, scripts : bool
        Whether it may send forms to this server, and have scripts, which may ask this server.
    **values
        What the template shows.
    """
    nonce = secrets.token_urlsafe(16)
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
    policy += f"; form-action '{'self' if forms else 'none'}'"
    if scripts:
        policy += f"; script-src 'nonce-{nonce}'; connect-src 'self'"
    return HTMLResponse(
        templates.get_template(name).render(nonce=nonce, **values),
        code,
        {"Content-Security-Policy": policy, "Cache-Control": "no-store", "Referrer-Policy": "same-origin"},
    )
