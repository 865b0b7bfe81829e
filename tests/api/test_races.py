"""Filters, lists, annotators, accounts and queries, written by two sessions and another user at once.

Every address of the application that is asked by another method than GET is raced here, or in a test that is named, or
is named with the reason why it need not be; a new one that is neither fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from delivery_peers import mail_server
from every_route import every_route
from queued_messages import add_sink, queue
from raced_site import Race, raced_site

from broker_assets.access import accounts, mailed_links, tokens
from broker_assets.accounting import quarantine
from broker_assets.accounting.quarantine import QuarantinedMessage
from broker_assets.api import create_app
from broker_assets.api.site.filter_editing import EXAMPLE
from broker_assets.settings.delivery import DeliverySettings, MailSettings

pytestmark = pytest.mark.database

SHARE = {"audience": "group", "group": "AGN"}
TEXT = EXAMPLE.replace("> 3", "> {}")
PASSWORD = "correct horse battery"

CHANGING = ("POST", "PUT", "PATCH", "DELETE")
CHANGES_NOTHING = {
    "a question in the body of a request": (
        r"/api/(cone|object|query|sherlock/object|sherlock/position)/?",
        r"/api/v1/(filters/check|filters/try|lightcurves|objects/search)",
        r"/api/vo/(scs|datalink|tap/sync)",
        r"/(filters|sql)/check/",
        r"/elasticc2/(classids|classifiers(_json)?|getalert|ltcvs?|ltcvfeatures|gethot(transients|sne))/?",
        r"/elasticc2/(spectrawanted|getwantedspec|getknownspectruminfo|brokerclassfortruetype/.*)/?",
        r"/elasticc/getalerts(andtruth)?/?",
        r"/fastdb/((base)?procver|count|getdiaobjectinfo|getprocvers|objectsearch|ltcv)\b.*",
        r"/fastdb/spectrum/(spectrawanted|getknownspectruminfo)/?",
        r"/fastdb/(auth/isauth|db/(run|check)sqlquery.*|db/getsqlqueryresults.*)/?",
        r"/db/(runsqlquery|checksqlquery.*|getsqlqueryresults.*|listsqlqueries)/?",
    ),
    "another address of one that is raced": (r"/api/(auth-token|token-auth/?)",),
    "the campaign is over, and its messages are read": (r"/elasticc/brokermessage(/.*)?/?",),
    "a page that answers POST as it answers GET": (
        r"/elasticc2?/?",
        r"/elasticc2?/(adminsummary|alertstreamhists|brokercompleteness|brokertimedelays|confmatrixlatest)/?",
        r"/elasticc2/(scorecards(/.*)?|contradictions(/only)?)/?",
        r"/elasticc/(summary|latestconfmatrix|probvsclassandt|brokerstreamgraphs|tmpbrokeralerthists)/?",
        r"/elasticc/brokercompleteness(graphs|vsndets)/?",
        r"/elasticc2?/(ppdb)?dia[a-z]+(/\{number\})?/?",
    ),
}
"""Patterns of paths, by the reason why two at once do nothing to each other."""
RACED_IN = {
    "tests/api/v1/test_races.py": (
        r"/api/v1/(targets|target-lists|observations|spectra|calendar)\b.*",
        r"/(targets|spectra|calendar)/.*",
        r"/api/annotate/?",
    ),
    "tests/api/tom/test_spectra.py": (
        r"/elasticc2/(askforspectrum|planspectrum|removespectrumplan|reportspectruminfo)/?",
    ),
    "tests/api/tom/test_classifications.py": (r"/elasticc2/brokermessage(/\{what:path\})?/?",),
    "tests/api/tom/test_first_campaign.py": (
        r"/elasticc/(adddiaobject|addelasticcalert|addtruth|addobjecttruth|markalertsent)/?",
    ),
    "tests/api/tom/test_sql.py": (r"/db/(submit|cancel)sqlquery.*",),
    "tests/api/fastdb/test_spectra.py": (
        r"/fastdb/spectrum/(askforspectrum|planspectrum|removespectrumplan|reportspectruminfo)/?",
    ),
    "tests/api/fastdb/test_sql.py": (r"/fastdb/db/submitsqlquery/?",),
    "tests/api/fastdb/test_login.py": (r"/fastdb/auth/(getchallenge|respondchallenge|logout)/?",),
}
"""Patterns of paths, by the module that races them."""


@pytest.fixture
def race(database_url: str, tmp_path: Path) -> Iterator[Race]:
    with mail_server() as mailbox:
        delivery = DeliverySettings(mail=MailSettings(host="127.0.0.1", port=mailbox.port))
        with raced_site(database_url, tmp_path, registration=True, delivery=delivery) as race:
            yield race


def codes(found: list[httpx.Response]) -> list[int]:
    return sorted(one.status_code for one in found)


def against_removal(race: Race, make: Callable[[int], str], template: str, *forms: tuple[str, dict[str, Any]]) -> None:
    """Each form about a thing by ann and bob, while ann removes it; nothing but the thing is missed."""
    for turn, (tail, form) in enumerate(forms):
        path = make(turn)
        sent = {"to": f"{path}{tail}"} | form
        found = race.send(template.replace("/delete/", f"/{tail}"), "", {"to": f"{path}delete/"}, sent, sent)
        race.tried.add(("post", template))
        assert 303 in (found if tail == "delete/" else found[:1]), (tail, found)
        assert set(found[1:]) <= {303, 403, 404, 422}, (tail, found)


def _filters(race: Race) -> None:
    of_ann = "SELECT {} FROM filters WHERE owner = 'ann'"
    for name in ("ann", "bob"):
        accounts.update(race.connection, name, email=f"{name}@example.org")
    assert sorted(race.send("/filters/create/", "", {"name": "f", "text": EXAMPLE})) == [303, 303, 422]
    number = race.value(of_ann.format("filterid"))
    assert race.send("/filters/{number}/share/", f"{number}/share/", SHARE)[:2] == [303, 303]
    assert race.value(f"SELECT count(*) FROM access.shares WHERE kind = 'filter' AND identifier = '{number}'") == 1
    texts = [{"text": TEXT.format(place)} for place in range(3)]
    assert race.send("/filters/{number}/update/", f"{number}/update/", *texts)[:2] == [303, 303]
    versions = f"SELECT array_agg(version ORDER BY version) FROM filter_versions WHERE filterid = {number}"
    assert race.value(versions) == [1, 2, 3]
    settings = [{"name": f"f {place}", "alerts": "on"} for place in range(3)]
    assert race.send("/filters/{number}/settings/", f"{number}/settings/", *settings)[:2] == [303, 303]
    copies = race.send("/filters/{number}/copy/", f"{number}/copy/", {})
    assert copies == [303, 303, 303]
    assert race.value("SELECT count(DISTINCT lower(name)) FROM filters WHERE owner = 'ann'") == 3
    race.send("/filters/{number}/pause/", f"{number}/pause/", {})
    sink = {"kind": "email", "format": "plain", "schedule": "now"}
    race.send("/filters/{number}/sinks/", f"{number}/sinks/", sink)
    assert race.value(f"SELECT count(*) FROM filter_sinks WHERE filterid = {number}") == 1
    sinkid = race.value(f"SELECT sinkid FROM filter_sinks WHERE filterid = {number}")
    race.send("/filters/{number}/dead/", f"{number}/dead/", {"which": "all"})
    removed = race.send("/filters/{number}/sinks/{sink}/remove/", f"{number}/sinks/{sinkid}/remove/", {})
    assert 303 in removed[:2]
    assert set(removed) <= {303, 403, 404, 422}
    race.send("/filters/try/", "", {"text": EXAMPLE, "nights": "1"})
    race.send("/filters/{number}/try/", f"{number}/try/", {"nights": "1"})
    race.send("/filters/{number}/activate/", f"{number}/activate/", {})
    trial = race.value("SELECT min(trialid) FROM access.trials")
    race.send("/filters/trials/{number}/cancel/", f"{trial}/cancel/", {})

    def make(turn: int) -> str:
        made = race.made("/filters", json={"name": f"gone {turn}", "definition": EXAMPLE, "public": False})["filterId"]
        race.send("/filters/{number}/share/", f"{made}/share/", SHARE)
        return f"/filters/{made}/"

    against_removal(
        race, make, "/filters/{number}/delete/", ("update/", {"text": TEXT.format(9)}),
        ("settings/", {"name": "other"}), ("share/", SHARE), ("pause/", {}), ("copy/", {}), ("sinks/", sink),
        ("try/", {"nights": "1"}), ("activate/", {}), ("dead/", {"which": "all"}), ("delete/", {}),
    )  # fmt: skip


def _lists(race: Race) -> None:
    for kind, table, key, content in (
        ("watchlists", "watchlists", "wl_id", {"radius": "5", "lines": "10.0, 20.0, one"}),
        ("watchmaps", "areas", "ar_id", {"region": "CIRCLE ICRS 10 20 1"}),
    ):
        shape = "cones" if kind == "watchlists" else "replace"
        made = race.send(f"/{kind}/create/", "", {"name": "l"} | content)
        assert sorted(made) == [303, 303, 422], kind
        number = race.value(f"SELECT {key} FROM {table} WHERE owner = 'ann'")
        whole = f"/{kind}/{{number}}"
        assert race.send(f"{whole}/share/", f"{number}/share/", SHARE)[:2] == [303, 303]
        named = [{"name": f"l {place}", "radius": "5", "active": "on"} for place in range(3)]
        assert race.send(f"{whole}/update/", f"{number}/update/", *named)[:2] == [303, 303]
        assert race.send(f"{whole}/{shape}/", f"{number}/{shape}/", content)[:2] == [303, 303]
        assert race.send(f"{whole}/copy/", f"{number}/copy/", {}) == [303, 303, 303]
        assert race.value(f"SELECT count(DISTINCT lower(name)) FROM {table} WHERE owner = 'ann'") == 3

        def make(turn: int, kind: str = kind, content: dict[str, Any] = content) -> str:
            race.send(f"/{kind}/create/", "", {"name": f"gone {turn}"} | content)
            table, key = ("watchlists", "wl_id") if kind == "watchlists" else ("areas", "ar_id")
            one = race.value(f"SELECT {key} FROM {table} WHERE owner = 'ann' AND name = 'gone {turn}'")
            race.send(f"/{kind}/{{number}}/share/", f"{one}/share/", SHARE)
            return f"/{kind}/{one}/"

        against_removal(
            race, make, f"{whole}/delete/", ("update/", named[0] | {"name": "other"}), ("share/", SHARE),
            (f"{shape}/", content), (f"{shape}/", content | {"how": "replace"}), ("copy/", {}), ("delete/", {}),
        )  # fmt: skip


def _annotators(race: Race) -> None:
    race.connection.execute("UPDATE access.users SET roles = '{administrator,power_user}' WHERE username = 'bob'")
    asked = race.send("/annotators/ask/", "", {"topic": "new_one", "description": "what it says, and how"})
    assert 303 in asked
    number = race.value("SELECT min(requestid) FROM access.annotator_requests")
    answers = race.send(
        "/annotators/requests/{number}/", f"{number}/", {"do": "accept"}, by=race.log_in("bob", "bob", "bob")
    )
    assert sorted(answers) == [303, 404, 404]
    assert race.value("SELECT count(*) FROM annotators WHERE topic = 'new_one'") == 1
    race.send("/annotators/{topic}/update/", "finder/update/", {"description": "d", "active": "on", "version": "1"})
    race.send("/annotators/{topic}/share/", "finder/share/", SHARE)


def _accounts(race: Race) -> None:
    race.connection.execute(
        "UPDATE access.users SET roles = '{administrator,power_user}' WHERE username IN ('ann', 'bob')"
    )
    new = {"username": "carl", "email": "carl@example.org"}
    assert sorted(race.send("/admin/", "", new)) == [303, 400, 400]
    roles = [
        {"email": "carl@example.org", "active": "on", f"role_{role}": "on"}
        for role in ("operator", "power_user", "annotator")
    ]
    assert race.send("/admin/accounts/{name}/", "carl/", *roles) == [303, 303, 303]
    race.send("/admin/accounts/{name}/link/", "carl/link/", {})
    assert sorted(race.send("/admin/groups/", "", {"name": "SN"})) == [303, 400, 400]
    group = race.value("SELECT groupid FROM access.groups WHERE name = 'SN'")
    member = {"to": "/admin/accounts/carl/"} | roles[0] | {f"group_{group}": "on"}
    gone = {"to": f"/admin/groups/{group}/remove/"}
    found = race.send("/admin/groups/{groupid}/remove/", "", gone, member, gone)
    assert 303 in (found[0], found[2])
    assert found[1] in (303, 400)

    for turn in range(2):
        name = f"gone{turn}"
        accounts.add(race.connection, name, PASSWORD, email=f"{name}@example.org")
        change = {"to": f"/admin/accounts/{name}/"} | roles[turn]
        remove = {"to": f"/admin/accounts/{name}/remove/", "name": name}
        link = {"to": f"/admin/accounts/{name}/link/"}
        found = race.send("/admin/accounts/{name}/remove/", "", remove, change, remove if turn else link)
        assert 303 in (found[0], found[2])
        assert race.value(f"SELECT count(*) FROM access.users WHERE username = '{name}'") == 0


def _profiles(race: Race) -> None:
    dora = accounts.add(race.connection, "dora", PASSWORD, email="dora@example.org")
    emil = accounts.add(race.connection, "emil", PASSWORD, email="emil@example.org")
    both = race.log_in("dora", "dora", "emil")
    assert sorted(race.send("/profile/tokens/", "", {"name": "t", "scope": "read"}, by=both)) == [200, 200, 400]
    assert len(tokens.of_user(race.connection, dora)) == 1
    assert sorted(race.send("/profile/tokens/revoke/", "", {"name": "t"}, by=both)) == [303, 303, 404]
    same = {"current": PASSWORD, "email": "same@example.org"}
    race.send("/profile/email/", "", same, by=both)
    new = [{"current": PASSWORD, "new": f"{PASSWORD} {place}", "repeated": f"{PASSWORD} {place}"} for place in range(3)]
    assert 303 in race.send("/profile/password/", "", *new, by=both)[:2]
    both = race.log_in("dora", "dora", "emil")
    race.send("/profile/sessions/", "", {}, by=both)
    both = race.log_in("emil", "emil", "emil")
    leave = {"to": "/profile/delete/", "name": "emil", "current": new[2]["new"]}
    token = {"to": "/profile/tokens/", "name": "late", "scope": "read"}
    found = race.send("/profile/delete/", "", leave, token, leave, by=both)
    assert 303 in (found[0], found[2])
    assert race.value(f"SELECT count(*) FROM access.users WHERE userid = {emil.userid} AND date_removed IS NULL") == 0

    form = {"username": "fay", "email": "fay@example.org", "password": PASSWORD}
    assert 200 in race.send("/register/", "", form, by=race.strangers())
    assert race.value("SELECT count(*) FROM access.users WHERE username = 'fay'") == 1
    link = mailed_links.make(race.connection, "activation", accounts.get(race.connection, "fay"), "127.0.0.1")
    used = race.send("/activate/{secret}/", f"{link.secret}/", {}, by=race.strangers())
    assert sorted(used) in ([303, 404, 404], [303, 303, 303])
    assert accounts.get(race.connection, "fay").active
    race.send("/password_reset/", "", {"account": "fay"}, by=race.strangers())
    link = mailed_links.make(race.connection, "password", accounts.get(race.connection, "fay"), "127.0.0.1")
    words = [{"new": f"{PASSWORD} {place}", "repeated": f"{PASSWORD} {place}"} for place in range(3)]
    reset = race.send("/password_reset/{secret}/", f"{link.secret}/", *words, by=race.strangers())
    assert sorted(reset) == [303, 404, 404]
    known = {"username": "fay", "password": words[reset.index(303)]["new"]}
    assert race.send("/api/auth-token/", "", known, by=race.strangers()) == [200, 200, 200]
    assert race.send("/accounts/login/", "", known, by=race.strangers()) == [302, 302, 302]
    assert race.send("/accounts/logout/", "", {}, by=race.log_in("fay", "fay", "dora")) == [302, 302, 302]


def _queries(race: Race) -> None:
    assert race.send("/sql/", "", {"text": "SELECT TOP 1 diaobjectid FROM objects"}) == [303, 303, 303]
    jobs = [
        row[0]
        for row in race.connection.execute(
            "SELECT jobid FROM access.tap_jobs WHERE userid = (SELECT userid FROM access.users WHERE username = 'ann')"
        )
    ]
    race.send("/sql/{jobid}/cancel/", f"{jobs[0]}/cancel/", {})
    race.send("/sql/{jobid}/delete/", f"{jobs[0]}/delete/", {})
    cancel, delete = {"to": f"/sql/{jobs[1]}/cancel/"}, {"to": f"/sql/{jobs[1]}/delete/"}
    race.send("/sql/{jobid}/delete/", "", delete, cancel, delete)


def _operators(race: Race) -> None:
    connection = race.connection
    connection.execute("UPDATE access.users SET roles = '{operator}' WHERE username IN ('ann', 'bob')")
    connection.execute(
        "INSERT INTO telemetry_file (folder, url, name, version, size, state) VALUES ('f', 'f/a', 'a', 1, 9, 'failed')"
    )
    sink = add_sink(connection, target="https://broker.example/refused")
    queue(connection, [11])
    connection.execute("UPDATE deliveries SET state = 'dead', failure = 'refused'")
    batch = race.value(
        "INSERT INTO ingest_batch (topic, kind, code_version, started_at) VALUES ('a', 'stream', '1', now())"
        " RETURNING ingestid"
    )
    message = QuarantinedMessage(topic="a", partition=0, offset=7, payload=b"x", reason="truncated", traceback="")
    quarantine.add(connection, batch, [message])
    entry = str(race.value("SELECT min(telemetryfileid) FROM telemetry_file"))
    for path, form in (
        ("files/", {"entry": entry}), ("dead-letters/", {"sink": str(sink)}),
        ("", {"topic": "a", "reason": "truncated"}),
    ):  # fmt: skip
        dismiss = form | {"do": "dismiss"}
        assert race.send(f"/status/quarantine/{path}", "", dismiss) == [303, 303, 303]
        # One of them did it.
        assert race.value("SELECT count(*) FROM access.changes WHERE action LIKE '%dismissed'") == 1, path
        connection.execute("DELETE FROM access.changes")


def _interface(race: Race) -> None:
    region, cones = {"name": "n", "region": "CIRCLE ICRS 10 20 1"}, {"name": "n", "cones": "10, 20, one", "radius": 5}
    for path, new, content, form in (
        (
            "/filters",
            {"name": "n", "definition": EXAMPLE, "public": True},
            "definition",
            {"json": {"definition": TEXT.format(4)}},
        ),
        ("/watchlists", cones, "cones", {"content": "11, 21, two"}),
        ("/areas", region, "moc", {"content": "CIRCLE ICRS 11 20 1"}),
    ):
        made = race.run("POST", path, path, json=new)
        assert codes(made) == [201, 201, 409], [one.text for one in made]
        number = next(
            int(one.headers["location"].rstrip("/").rpartition("/")[2]) for one in made[:2] if one.status_code == 201
        )
        one = f"{path}/{number}"
        race.run("PATCH", f"{path}/{{id}}", one, json={"description": "d"})
        race.run("PUT", f"{path}/{{id}}/{content}", f"{one}/{content}", **form)
        race.at_once(
            "DELETE", f"{path}/{{id}}", partial(httpx.Client.delete, url=one),
            partial(httpx.Client.patch, url=one, json={"description": "e"}),
            partial(httpx.Client.put, url=f"{one}/{content}", **form),
        )  # fmt: skip
        again = race.run("DELETE", f"{path}/{{id}}", one)
        assert set(codes(again)) <= {403, 404}
    race.connection.execute("DELETE FROM access.trials")
    trials = race.run("POST", "/trials", "/trials", json={"definition": EXAMPLE})
    assert codes(trials) == [202, 202, 202]
    trial = trials[0].headers["location"].rstrip("/").rpartition("/")[2]
    race.run("DELETE", "/trials/{id}", f"/trials/{trial}")
    frozen = race.run("POST", "/snapshots", "/snapshots", json={"ids": [1, 2]})
    assert len({one.json()["snapshotId"] for one in frozen}) == 1, [one.text for one in frozen]

    root = race.runners[0].base_url

    def at(path: str) -> str:
        return str(root.copy_with(path=path))

    said = [{"objectId": "1", "topic": "finder", "classification": "SN"}] * 2
    race.run("POST", "/api/annotatelist/", at("/api/annotatelist/"), json={"annotations": said})
    jobs = race.run(
        "POST",
        "/api/vo/tap/async",
        at("/api/vo/tap/async"),
        data={"LANG": "ADQL", "QUERY": "SELECT TOP 1 ra FROM objects"},
    )
    assert codes(jobs) == [303, 303, 303]
    for what, form in (
        ("parameters", {"MAXREC": "3"}),
        ("executionduration", {"EXECUTIONDURATION": "30"}),
        ("destruction", {"DESTRUCTION": "2026-12-02T00:00:00Z"}),
        ("phase", {"PHASE": "RUN"}),
        ("phase", {"PHASE": "ABORT"}),
    ):
        race.run("POST", f"/api/vo/tap/async/{{jobid}}/{what}", f"{jobs[0].headers['location']}/{what}", data=form)
    race.run("DELETE", "/api/vo/tap/async/{jobid}", jobs[0].headers["location"])
    race.run("POST", "/api/vo/tap/async/{jobid}", jobs[1].headers["location"], data={"ACTION": "DELETE"})


def test_users_at_once_at_every_address(race: Race) -> None:
    for part in (_filters, _lists, _queries, _interface, _annotators, _operators, _accounts, _profiles):
        part(race)

    project = Path(__file__).parents[2]
    elsewhere: list[str] = []
    for module, patterns in RACED_IN.items():
        text = (project / module).read_text()
        assert "ThreadPoolExecutor" in text or "raced_site" in text, f"{module} has two requests at once"
        elsewhere += patterns
    known = re.compile("|".join([*elsewhere, *(one for some in CHANGES_NOTHING.values() for one in some)]))
    tried = {(method.upper(), f"{root}{path}".rstrip("/")) for method, path in race.tried for root in ("", "/api/v1")}
    every = {(method, path) for method, path in every_route(create_app(race.settings)) if method in CHANGING}
    missing = {
        (method, path)
        for method, path in every
        if (method, path.rstrip("/")) not in tried
        and known.fullmatch(path) is None
        # Where the original of the TOM takes POST, 405 has a page of its own.
        and not (method != "POST" and path.startswith(("/elasticc", "/db/")))
    }
    assert missing == set()
    unused = [
        one for some in (*RACED_IN.values(), *CHANGES_NOTHING.values()) for one in some
        if not any(re.fullmatch(one, path) for _, path in every)
    ]  # fmt: skip
    assert unused == []
