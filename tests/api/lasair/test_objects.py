"""`cone`, `object` and `sherlock` by Lasair's own client, and in the very form of other programs."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from astropy.io import fits
from lasair import LasairError
from longest_history import longest
from pydantic import SecretStr

from broker_assets.settings.access import AccessSettings, EarlierKey

pytestmark = pytest.mark.database


@pytest.fixture
def star(site: Any) -> Any:
    """The object of the longest light curve."""
    return site.record(longest(site.alerts))["diaObject"]


def test_cones_by_the_client(client: Any, star: Any) -> None:
    ra, dec, identifier = star["ra"], star["dec"], star["diaObjectId"]
    found = client.cone(ra, dec, radius=2, requestType="all")
    assert found["nearest"]["object"] == str(identifier)
    assert found["nearest"]["separation"] < 2
    assert found["count"] == len(found["objects"]) >= 1
    assert client.cone(ra, dec, radius=2, requestType="count") == {"count": found["count"]}
    assert client.cone(ra, dec, radius=2, requestType="nearest") == {"nearest": found["nearest"]}
    assert client.cone(ra, -dec, radius=0.001, requestType="nearest") == {}
    assert client.cone(ra, -dec, radius=0.001) == {"objects": [], "count": 0, "nearest": {}}
    # SkyPortal's test of a connection
    assert client.cone(0, 0, radius=1)["count"] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((400, 0), "ra"),
        ((0, 91), "dec"),
        ((0, 0, -1), "radius"),
        ((0, 0, 1001), "1000"),
        ((0, 0, 5, "some"), "requestType"),
    ],
)
def test_a_cone_that_cannot_be(client: Any, arguments: tuple[Any, ...], says: str) -> None:
    with pytest.raises(LasairError) as refused:
        client.cone(*arguments)
    assert "Bad Request" in refused.value.message
    assert says in refused.value.message


def test_an_object_by_the_client(client: Any, site: Any, star: Any) -> None:
    record = site.record(longest(site.alerts))
    identifier = star["diaObjectId"]
    found = client.object(identifier, lite=True)
    assert found["diaObjectId"] == str(identifier)
    assert found["diaObject"]["ra"] == pytest.approx(star["ra"], abs=1e-3)
    times = [point["midpointMjdTai"] for point in found["diaSourcesList"]]
    assert times == sorted(times, reverse=True)
    assert record["diaSource"]["midpointMjdTai"] in times
    assert set(found["diaSourcesList"][0]) >= {"psfFlux", "psfFluxErr", "midpointMjdTai", "band", "reliability"}
    data = found["lasairData"]
    assert data["nDiaSources"] == len(times) == star["nDiaSources"]
    assert data["latestMjd"] == times[0]
    assert data["discMjd"] == times[-1]
    assert data["latestFilter"] == found["diaSourcesList"][0]["band"]
    assert data["mjdmin_ago"] - data["mjdmax_ago"] == pytest.approx(times[0] - times[-1], abs=0.01)
    assert data["rasex"].count(":") == data["decsex"].count(":") == 2
    assert data["sherlock"]["classification"] == "VS"
    assert data["TNS"] == {}
    assert data["annotations"] == []
    assert "medianR" not in data
    assert "medianR" in client.object(identifier, lite=False)["lasairData"]
    stored = client.object(identifier, lite=False, lasair_added=False)
    assert [point["midpointMjdTai"] for point in stored["diaSourcesList"]] == times[::-1]
    assert stored["diaObject"]["nDiaSources"] == data["nDiaSources"]


def test_images_are_read_without_a_token_as_skyportal_does(client: Any, site: Any, star: Any) -> None:
    images = client.object(star["diaObjectId"])["lasairData"]["imageUrls"][0]
    for kind in ("Science", "Template", "Difference"):
        answer = httpx.get(images[kind])
        assert answer.status_code == 200
        with fits.open(io.BytesIO(answer.content)) as opened:
            assert opened[0].data.ndim == 2


def test_addresses_of_images_are_signed_where_there_is_a_key(
    site: Any, star: Any, new_token: Any, serve: Callable[..., Any]
) -> None:
    """Workers with one key recognise each other's signatures, also those of the key before; others are refused."""
    access = AccessSettings(signing_key=SecretStr("k" * 32))
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    later = AccessSettings(
        signing_key=SecretStr("l" * 32), earlier_signing_keys=[EarlierKey(key=SecretStr("k" * 32), until=until)]
    )
    header = {"Authorization": f"Token {new_token('ann')}"}
    with (
        serve(site.settings.model_copy(update={"access": access})) as one,
        serve(site.settings.model_copy(update={"access": later})) as other,
    ):
        found = httpx.get(f"{one}/api/object/", params={"objectId": star["diaObjectId"]}, headers=header).json()
        images = found["lasairData"]["imageUrls"][0]
        for kind in ("Science", "Template", "Difference"):
            assert httpx.get(images[kind]).headers["content-type"] == "image/fits"
            assert httpx.get(images[kind].replace(one, other)).status_code == 200
            assert httpx.get(images[kind].partition("?")[0]).status_code == 200, "the image is public"
        signature = images["Science"].partition("?signature=")[2]
        assert len(signature) == 43
        for wrong in (
            f"{images['Template'].partition('?')[0]}?signature={signature}",
            images["Science"][:-1],
            f"{images['Science'].partition('?')[0]}?signature=",
        ):
            answer = httpx.get(wrong)
            assert (answer.status_code, "signature" in answer.text) == (403, True), wrong


@pytest.mark.parametrize("limit", ["nan", "inf", "-Infinity", "x", ""])
def test_a_reliability_that_is_no_number_is_refused(site: Any, star: Any, new_token: Any, limit: str) -> None:
    form = {"objectId": star["diaObjectId"], "reliabilityThreshold": limit}
    answer = httpx.post(f"{site.url}/api/object/", data=form, headers={"Authorization": f"Token {new_token('ann')}"})
    assert (answer.status_code, list(answer.json())) == (400, ["reliabilityThreshold"])


def test_reliability_leaves_detections_out(client: Any, site: Any, star: Any, new_token: Any) -> None:
    every = client.object(star["diaObjectId"])["diaSourcesList"]
    limit = sorted(point["reliability"] for point in every)[len(every) // 2]
    form = {"objectId": star["diaObjectId"], "reliabilityThreshold": limit, "lite": "True"}
    header = {"Authorization": f"Token {new_token('ann')}"}
    found = httpx.post(f"{site.url}/api/object/", data=form, headers=header).json()["diaSourcesList"]
    assert [point["diaSourceId"] for point in found] == [
        point["diaSourceId"] for point in every if point["reliability"] >= limit
    ]
    assert len(found) < len(every)


def test_an_unknown_object_is_a_real_404(client: Any) -> None:
    with pytest.raises(LasairError, match="404"):
        client.object(123456789)
    assert client.object(123456789, lasair_added=False, lite=False) == {
        "diaObjectId": "123456789", "diaObject": None, "diaSourcesList": [], "diaForcedSourcesList": [],
    }  # fmt: skip


def test_sherlock_by_the_client(client: Any, star: Any) -> None:
    found = client.sherlock_object(star["diaObjectId"], lite=False)
    [(label, description)] = found["classifications"].values()
    assert label == "VS"
    assert description == "The position coincides with the star V1 (vsx)."
    assert found["crossmatches"][0]["catalogue_object_id"] == "V1"
    near = client.sherlock_position(star["ra"], star["dec"])
    assert near["classifications"]["query"][0] == "VS"
    assert len(near["crossmatches"]) == 1
    assert client.sherlock_position(star["ra"], -star["dec"])["classifications"]["query"][0] == "ORPHAN"


@pytest.mark.parametrize("method", ["GET", "POST form", "POST JSON", "GET token"])
def test_parameters_may_be_anywhere(site: Any, star: Any, new_token: Any, method: str) -> None:
    given: dict[str, Any] = {"ra": star["ra"], "dec": star["dec"], "radius": 2, "requestType": "count"}
    token = new_token("ann")
    header = {"Authorization": f"Token {token}"}
    url = f"{site.url}/api/cone/"
    answer = {
        "GET": lambda: httpx.get(url, params=given, headers=header),
        "POST form": lambda: httpx.post(url, data=given, headers=header),
        "POST JSON": lambda: httpx.post(url, json=given, headers=header),
        "GET token": lambda: httpx.get(url, params=given | {"token": token, "format": "json"}),
    }[method]()
    assert answer.status_code == 200
    assert answer.json()["count"] >= 1


@pytest.mark.parametrize("path", ["cone", "object", "sherlock/object", "sherlock/position"])
def test_without_a_valid_token_nothing_is_said(site: Any, path: str) -> None:
    url = f"{site.url}/api/{path}/"
    for header in (
        {},
        {"Authorization": "Token " + "0" * 40},
        {"Authorization": "Bearer x"},
        {"Authorization": "Token '--"},
    ):
        answer = httpx.post(url, data={"objectId": "1"}, headers=header)
        assert answer.status_code == 401
        assert "detail" in answer.json()


@pytest.mark.parametrize("radius", ["1_0", "nan", "inf", "１２"])
def test_numbers_are_written_in_digits(site: Any, new_token: Callable[..., str], radius: str) -> None:
    header = {"Authorization": f"Token {new_token('ann')}"}
    given = {"ra": "10", "dec": "10", "radius": radius, "requestType": "count"}
    answer = httpx.post(f"{site.url}/api/cone/", data=given, headers=header)
    assert answer.status_code == 400
    assert set(answer.json()) == {"radius"}


def test_what_is_missing_is_named_by_field(site: Any, new_token: Callable[..., str]) -> None:
    header = {"Authorization": f"Token {new_token('ann')}"}
    answer = httpx.post(f"{site.url}/api/cone/", data={"ra": "x"}, headers=header)
    assert answer.status_code == 400
    assert answer.json()["radius"] == ["This field is required."]
    assert set(answer.json()) == {"ra", "dec", "radius", "requestType"}


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (b"{", "application/json", "not JSON"),
        (b"[1]", "application/json", "JSON object"),
        (b"[" * 100_000, "application/json", "not JSON"),
        (b"x", "text/plain", "content type"),
        (b"x" * (9 * 1024**2), "application/json", "larger than 8 MiB"),
        (b"--x", "multipart/form-data", "form"),
    ],
)
def test_a_body_that_cannot_be_read(site: Any, new_token: Any, content: bytes, kind: str, says: str) -> None:
    header = {"Authorization": f"Token {new_token('ann')}", "Content-Type": kind}
    answer = httpx.post(f"{site.url}/api/cone/", content=content, headers=header)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
