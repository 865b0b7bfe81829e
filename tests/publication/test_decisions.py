"""Decisions as pure functions: whatever the order and the contents, the archive's rules hold."""

from __future__ import annotations

import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from broker_assets.publication.content import Content, Facts
from broker_assets.publication.decisions import Decision, Entry, decide
from broker_assets.publication.names import ProductName
from broker_assets.publication.selection import Rules

NOW = datetime.datetime(2021, 3, 1, tzinfo=datetime.UTC)


def name_of(request: int) -> ProductName:
    return ProductName.parse(f"solo_L1_stix-sci-xray-cpd_20210116T120000-20210116T120100_V02_{request:010d}-5.fits")


def content_of(value: int, **facts: Any) -> Content:
    return Content(f"file {value}", Facts(rows=10, data_digest=f"data {value}", **facts), NOW, NOW)


def entered(name: ProductName, content: Content, decision: Decision, number: int) -> Entry:
    """What the history holds after a decision, with the delivery done."""
    return Entry(
        publicationid=number,
        target="x",
        name=str(name.complete),
        path=str(name),
        digest=content.digest,
        archive_name=name.archive_name,
        subject=name.subject,
        version=name.version,
        status=decision.status,
        settled=decision.settled,
        reason=decision.reason,
        delivered_name=None if decision.delivered is None else str(decision.delivered),
        supplement=decision.supplement,
        base_name=decision.base,
        facts=content.facts,
        decided_at=NOW,
    )


files = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), max_size=12, unique_by=lambda item: item[0])


@given(files, st.integers(0, 3), st.sets(st.integers(0, 6), max_size=2))
def test_an_archive_name_is_taken_once_and_its_data_come_once(
    arriving: list[tuple[int, int]], supplements: int, blacklisted: set[int]
) -> None:
    rules = Rules(supplements=supplements, blacklist=frozenset(str(name_of(request)) for request in blacklisted))
    history: list[Entry] = []
    for request, value in arriving:
        # Each file has a digest of its own, as its header has its name.
        content = content_of(value)
        decision = decide(name_of(request), content, rules, history, NOW)
        assert (decision.status == "blacklisted") == (request in blacklisted)
        history.append(entered(name_of(request), content, decision, len(history) + 1))
    delivered = [entry for entry in history if entry.status in ("published", "supplement")]
    assert [entry.supplement for entry in delivered] == list(range(len(delivered)))
    assert len(delivered) <= 1 + supplements
    assert len({entry.facts.data_digest for entry in delivered}) == len(delivered)
    assert len({entry.delivered_name for entry in delivered}) == len(delivered)
    allowed = {value for request, value in arriving if request not in blacklisted}
    assert len(delivered) == min(len(allowed), 1 + supplements)
    for entry in history:
        if entry.status == "supplement":
            assert entry.base_name == delivered[0].delivered_name
        if entry.status == "error":
            assert len(delivered) == 1 + supplements


@given(st.permutations(range(5)), st.integers(0, 9))
def test_the_order_of_the_history_does_not_matter(order: list[int], value: int) -> None:
    history: list[Entry] = []
    for request in range(5):
        content = content_of(request)
        decision = decide(name_of(request), content, Rules(supplements=9), history, NOW)
        history.append(entered(name_of(request), content, decision, request + 1))
    shuffled = [history[i] for i in order]
    new = name_of(7)
    assert decide(new, content_of(value), Rules(), shuffled, NOW) == decide(
        new, content_of(value), Rules(), history, NOW
    )


@given(st.integers(0, 20), st.integers(0, 20), st.floats(0, 1))
def test_a_new_version_with_fewer_rows_is_held_beyond_the_tolerance(before: int, after: int, tolerance: float) -> None:
    old = ProductName.parse("solo_L1_stix-ql-spectra_20210116_V02U.fits")
    new = ProductName.parse("solo_L1_stix-ql-spectra_20210116_V03U.fits")
    rules = Rules(tolerated_row_loss=tolerance)
    first = Content("a", Facts(rows=before, data_digest="a"), NOW, NOW)
    entry = entered(old, first, decide(old, first, rules, [], NOW), 1)
    second = Content("b", Facts(rows=after, data_digest="b"), NOW, NOW)
    decision = decide(new, second, rules, [entry], NOW)
    assert (decision.status == "held") == (before - after > tolerance * before)
    assert decide(new, second, rules, [], NOW).status == "published"
    # The other way round: an older version after a newer one is not compared.
    late = entered(new, first, decide(new, first, rules, [], NOW), 1)
    assert decide(old, second, rules, [late], NOW).status == "published"


def test_an_answer_whose_time_range_moved_is_held() -> None:
    """A newer clock kernel gives the answer to a request another name: the archive must not get it twice unasked."""
    old = ProductName.parse("solo_L1_stix-sci-xray-cpd_20210116T120000-20210116T120100_V02_0000000077-5.fits")
    moved = ProductName.parse("solo_L1_stix-sci-xray-cpd_20210116T115959-20210116T120100_V02_0000000077-5.fits")
    entry = entered(old, content_of(1), decide(old, content_of(1), Rules(), [], NOW), 1)
    decision = decide(moved, content_of(2), Rules(), [entry], NOW)
    assert decision.status == "held"
    assert str(old) in decision.reason
    held = entered(moved, content_of(2), decision, 2)
    agreed = held.model_copy(update={"agreed_by": "ann", "agreed_why": "asked the archive", "agreed_at": NOW})
    assert decide(moved, content_of(2), Rules(), [entry, agreed], NOW).status == "published"
    # Another version, another request, and answers whose request is not known are files of their own.
    for name in (
        "solo_L1_stix-sci-xray-cpd_20210116T115959-20210116T120100_V03_0000000077-5.fits",
        "solo_L1_stix-sci-xray-cpd_20210116T115959-20210116T120100_V02_0000000078-5.fits",
    ):
        assert decide(ProductName.parse(name), content_of(2), Rules(), [entry], NOW).status == "published"
    nobody = [
        ProductName.parse(f"solo_L1_stix-sci-aspect-burst_20210116T12000{n}-20210116T120100_V02_0000000000.fits")
        for n in range(2)
    ]
    first = entered(nobody[0], content_of(1), decide(nobody[0], content_of(1), Rules(), [], NOW), 1)
    assert decide(nobody[1], content_of(2), Rules(), [first], NOW).status == "published"
