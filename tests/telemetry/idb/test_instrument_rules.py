"""Rules beside an instrument database, by structure and version."""

from __future__ import annotations

from broker_assets.telemetry.idb.instrument_rules import Instrument, Scheme

OWN, SHARED, LATER = Scheme("a", "b", "c"), Scheme("d", "e", "f"), Scheme("g", "h", "i")
KEY, OTHER = (21, 6, 20), (21, 6, 21)


def instrument() -> Instrument:
    return Instrument(
        "test",
        (90, 12),
        schemes={KEY: {"counts": OWN, "triggers": LATER}},
        older_schemes=(((2, 26, 35), KEY, {"triggers": SHARED}), ((1, 0), OTHER, {"counts": SHARED})),
    )


def test_older_versions_keep_their_schemes() -> None:
    rules = instrument()
    assert rules.schemes_of(KEY, (2, 26, 35)) == {"counts": OWN, "triggers": LATER}
    assert rules.schemes_of(KEY, (2, 26, 34)) == {"counts": OWN, "triggers": SHARED}
    assert rules.schemes_of(KEY, (2, 100)) == {"counts": OWN, "triggers": LATER}
    assert rules.schemes_of(OTHER, (0, 9)) == {"counts": SHARED}
    assert rules.schemes_of(OTHER, (1, 0)) == {}


def test_what_is_found_can_be_changed_without_harm() -> None:
    rules = instrument()
    rules.schemes_of(KEY, (3,)).clear()
    assert rules.schemes_of(KEY, (3,)) == {"counts": OWN, "triggers": LATER}


def test_parameters_of_a_scheme_are_in_order() -> None:
    assert OWN.parameters == ("a", "b", "c")
