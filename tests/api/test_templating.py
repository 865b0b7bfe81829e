"""What templates show is escaped."""

from __future__ import annotations

import jinja2
import pytest

from broker_assets.api.templating import templates


def test_values_are_escaped_and_unknown_ones_are_errors() -> None:
    assert templates.from_string("{{ text }}").render(text="<b>&") == "&lt;b&gt;&amp;"
    with pytest.raises(jinja2.UndefinedError):
        templates.from_string("{{ absent }}").render()
