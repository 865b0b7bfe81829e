"""The rules of STIX agree with one another."""

from __future__ import annotations

from broker_assets.telemetry.idb.stix_rules import SPECTRA, STIX, TRIGGER_ACCUMULATORS


def test_pixel_data_before_2_26_35_compress_triggers_as_counts() -> None:
    before, after = (STIX.schemes_of((21, 6, 21), version) for version in ((2, 26, 34), (2, 26, 35)))
    assert {before[name] for name in TRIGGER_ACCUMULATORS} == {before["NIX00260"]}
    assert {after[name] for name in TRIGGER_ACCUMULATORS} != {after["NIX00260"]}
    assert before["NIX00260"] == after["NIX00260"]
    for level in (20, 22, 23, 24):
        key = (21, 6, level)
        assert STIX.schemes_of(key, (2, 26, 34)) == STIX.schemes_of(key, (2, 26, 35))


def test_groups_are_whole() -> None:
    assert (len(set(TRIGGER_ACCUMULATORS)), len(set(SPECTRA))) == (16, 32)
    assert (TRIGGER_ACCUMULATORS[0], TRIGGER_ACCUMULATORS[-1]) == ("NIX00242", "NIX00257")
    assert (SPECTRA[0], SPECTRA[-1]) == ("NIX00452", "NIX00483")


def test_a_parameter_is_completed_once() -> None:
    names = [completed.parameter for completed in STIX.completed_calibrations]
    assert len(set(names)) == len(names)
    assert not STIX.kept_raw & set(names), "a value that is kept raw has no calibration"
    assert {key[:2] for key in STIX.request_structures} == {(21, 6)}
