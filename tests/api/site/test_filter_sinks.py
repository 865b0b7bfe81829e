"""Where matches go: destinations and dead letters, of one's own filters alone."""

from __future__ import annotations

from typing import Any

import pytest
from queued_messages import add_sink, queue
from site_visitors import number_in

pytestmark = pytest.mark.database


def test_destinations_are_added_and_removed(people: Any) -> None:
    path = people.ann.done("/filters/create/", name="sent", text="SELECT ra FROM objects").partition("?")[0]
    assert "Nothing is sent yet" in people.ann.text(f"{path}?tab=deliveries")
    answer = people.ann.send(f"{path}sinks/", kind="kafka")
    assert answer.status_code == 422
    assert "private" in answer.text
    people.ann.done(f"{path}sinks/", kind="email", schedule="day", url="https://evil.example/")
    page = people.ann.text(f"{path}?tab=deliveries")
    assert "ann@example.org" in page
    assert "daily" in page
    people.ann.done(f"{path}share/", audience="public")
    people.ann.done(f"{path}sinks/", kind="kafka", format="lite")
    assert "lasair_consumer" in people.ann.text(f"{path}?tab=deliveries")
    for kind in ("webhook", "apprise", "pigeon"):
        assert people.ann.send(f"{path}sinks/", kind=kind, url="http://127.0.0.1/").status_code == 422
    [(sink,)] = people.connection.execute(
        "SELECT sinkid FROM filter_sinks WHERE filterid = %s AND kind = 'email'", (number_in(path),)
    ).fetchall()
    other = people.ann.done("/filters/create/", name="other", text="SELECT ra FROM objects").partition("?")[0]
    assert people.ann.send(f"{other}sinks/{sink}/remove/").status_code == 404
    people.ann.done(f"{path}sinks/{sink}/remove/")
    assert "daily</td>" not in people.ann.text(f"{path}?tab=deliveries")
    assert people.eve.send(f"{path}sinks/", kind="email").status_code == 403
    mine = people.eve.done("/filters/create/", name="mine", text="SELECT ra FROM objects").partition("?")[0]
    assert "no e-mail address" in people.eve.send(f"{mine}sinks/", kind="email").text


def test_dead_letters_are_sent_again_or_left(people: Any) -> None:
    path = people.ann.done("/filters/create/", name="dead", text="SELECT ra FROM objects").partition("?")[0]
    number, connection = number_in(path), people.connection
    add_sink(connection, number, target="https://a.example/")
    add_sink(connection, number + 1000, target="https://b.example/")
    queue(connection, [11, 21, 31], filterid=number)
    queue(connection, [41], filterid=number + 1000)
    connection.execute("UPDATE deliveries SET state = 'dead', failure = '<no>', attempts = 5")
    page = people.ann.text(f"{path}?tab=deliveries")
    assert "&lt;no&gt;" in page
    rows = connection.execute("SELECT diasourceid, deliveryid FROM deliveries").fetchall()
    of_source = dict(rows)

    def states() -> dict[int, str]:
        return dict(connection.execute("SELECT diasourceid, state FROM deliveries").fetchall())

    people.ann.done(f"{path}dead/", do="retry", message=[str(of_source[11]), str(of_source[41]), "x", "9" * 30])
    assert states() == {11: "pending", 21: "dead", 31: "dead", 41: "dead"}
    people.ann.done(f"{path}dead/", do="dismiss", which="all")
    assert states() == {11: "pending", 21: "dismissed", 31: "dismissed", 41: "dead"}
