"""What a run says of itself."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from broker_assets.publication.report import Outcome, Report

STATUSES = ("published", "supplement", "ignored", "blacklisted", "held", "error")
outcomes = st.lists(
    st.builds(
        Outcome,
        name=st.sampled_from([f"file{n}.fits" for n in range(9)]),
        path=st.just("L1/x"),
        status=st.sampled_from(STATUSES),
        digest=st.sampled_from(["aa", "bb"]),
    ),
    max_size=8,
    unique_by=lambda outcome: outcome.name,
)


@given(outcomes)
def test_counts_add_up(given_outcomes: list[Outcome]) -> None:
    report = Report(run_id="r", target="soar", outcomes=given_outcomes)
    assert sum(report.counts.values()) == len(given_outcomes)
    assert list(report.counts) == sorted(report.counts)
    assert report.of("held", "error") == [one for one in given_outcomes if one.status in ("held", "error")]


@given(outcomes, st.integers(0, 8))
def test_the_version_is_of_what_the_target_has(given_outcomes: list[Outcome], cut: int) -> None:
    """Whether it was delivered now or before, and whatever the order; nothing else changes it."""
    whole = Report(run_id="r", target="soar", outcomes=given_outcomes)
    parts = Report(run_id="s", target="soar", outcomes=given_outcomes[cut:][::-1], unchanged=given_outcomes[:cut])
    assert parts.data_version == whole.data_version
    there = [one for one in given_outcomes if one.status in ("published", "supplement")]
    assert Report(run_id="t", target="soar", outcomes=there).data_version == whole.data_version
    for one in there:
        others = [item for item in given_outcomes if item is not one]
        changed = one.model_copy(update={"digest": "cc"})
        for listed in (others, [*others, changed]):
            assert Report(run_id="t", target="soar", outcomes=listed).data_version != whole.data_version


def test_held_files_of_earlier_runs_still_wait() -> None:
    now, before = (Outcome(name=name, path=name, status="held") for name in ("a", "b"))
    report = Report(run_id="r", target="soar", outcomes=[now], unchanged=[before])
    assert report.held == [now, before]
    assert list(itertools.chain(report.of("held"))) == [now]
