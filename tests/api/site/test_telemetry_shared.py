"""Words and glyphs of states."""

from __future__ import annotations

from broker_assets.api.site.telemetry_shared import GLYPHS
from broker_assets.api.templating import templates
from broker_assets.monitoring.telemetry.day_states import STATES


def test_every_state_has_a_glyph_of_its_own() -> None:
    assert set(STATES) <= GLYPHS.keys()
    assert len({GLYPHS[state] for state in STATES}) == len(STATES)
    made = templates.from_string(
        '{% import "macros_telemetry.html" as made with context %}'
        "{% for state in states %}{{ made.state(state) }}{% endfor %}{{ made.file('<a>/b') }}"
    ).render(states=GLYPHS)
    for state, glyph in GLYPHS.items():
        assert f">{glyph} {state}</span>" in made
    assert 'href="/telemetry/products/%3Ca%3E%2Fb">&lt;a&gt;/b</a>' in made
