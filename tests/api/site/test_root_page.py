"""The page of a root object; versions of its light curve are in the tests of FASTDB's versions."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from broker_assets.tom.versions.roots import place_new

pytestmark = pytest.mark.database
HTML = {"Accept": "text/html"}


def test_objects_of_a_place_and_who_wants_spectra(people: Any) -> None:
    people.connection.execute(
        "INSERT INTO objects (diaobjectid, survey, ra, decl, ndiasources, firstdiasourcemjdtai, lastdiasourcemjdtai)"
        " VALUES (71, 1, 10, 5, 3, 61000, 61002), (72, 1, 10, 5.0001, 2, 61001, 61003)"
    )
    place_new(people.connection)
    (root,) = people.connection.execute("SELECT rootid FROM diaobject WHERE diaobjectid = 72").fetchone()
    people.connection.execute(
        "INSERT INTO wantedspectra (wantspec_id, root_diaobject_id, user_id, requester, priority)"
        " VALUES ('one', %s, gen_random_uuid(), 'SRS', 4)",
        (root,),
    )
    path = f"/roots/{root}/"
    page = people.ann.client.get(path, headers=HTML).text
    for shown in (str(root), ">71</a>", ">72</a>", "10.000000 +5.000000", "61001.0000", "wanted by SRS, priority 4"):
        assert shown in page
    assert "0 points of all objects" in page
    of_guest = people.guest.client.get(path, headers=HTML).text
    assert ">72</a>" in of_guest
    assert "SRS" not in of_guest
    assert f'href="{path}"' in people.guest.client.get("/objects/71/", headers=HTML).text
    for missing in (f"/roots/{uuid.uuid4()}/", f"{path}?processing_version=none"):
        assert people.guest.client.get(missing, headers=HTML).status_code == 404
