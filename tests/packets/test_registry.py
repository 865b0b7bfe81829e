import json

import pytest
from http_peer import HttpPeer

from broker_assets.packets.registry import (
    FirstOf,
    NoSchemas,
    RegistryUnavailable,
    SchemaFolder,
    SchemaNotFound,
    SchemaRegistry,
    schema_source,
)

SOURCE = {"type": "record", "name": "diaSource", "namespace": "lsst.v9_0", "fields": [{"name": "ra", "type": "double"}]}
ALERT = {
    "type": "record",
    "name": "alert",
    "namespace": "lsst.v9_0",
    "fields": [
        {"name": "diaSource", "type": "lsst.v9_0.diaSource"},
        {"name": "prvDiaSources", "type": ["null", {"type": "array", "items": "diaSource"}]},
    ],
}
PLAIN = {"type": "record", "name": "plain", "fields": [{"name": "x", "type": "long"}]}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "9" / "0").mkdir(parents=True)
    (tmp_path / "9" / "0" / "lsst.v9_0.alert.avsc").write_text(json.dumps(ALERT))
    (tmp_path / "9" / "0" / "lsst.v9_0.diaSource.avsc").write_text(json.dumps(SOURCE))
    return tmp_path


def client(registry, tmp_path=None, **options):
    return SchemaRegistry(registry.url, tmp_path, attempts=options.pop("attempts", 2), **options)


def test_a_schema_is_asked_for_once(registry, tmp_path):
    registry.put(900, PLAIN)
    schemas = client(registry, tmp_path)
    assert schemas.by_id(900) == schemas.by_id(900) == PLAIN
    assert registry.requests["/schemas/ids/900"] == 1


def test_known_schemas_survive_the_registry(registry, tmp_path):
    registry.put(900, PLAIN, subject="alerts-value")
    first = client(registry, tmp_path)
    first.by_id(900), first.for_topic("alerts")
    registry.failing = [503] * 100
    later = client(registry, tmp_path)
    assert later.by_id(900) == PLAIN
    assert later.for_topic("alerts") == PLAIN
    with pytest.raises(RegistryUnavailable):
        later.by_id(901)


def test_the_latest_of_a_subject_is_asked_for_by_every_process(registry, tmp_path):
    registry.put(1, PLAIN, subject="alerts-value")
    client(registry, tmp_path).for_topic("alerts")
    newer = PLAIN | {"fields": [{"name": "y", "type": "long"}]}
    registry.put(2, newer, subject="alerts-value")
    assert client(registry, tmp_path).for_topic("alerts") == newer


def test_nobody_there_is_not_the_fault_of_the_packet(registry, tmp_path):
    schemas = client(registry, tmp_path)
    registry.close()
    with pytest.raises(RegistryUnavailable, match=registry.url):
        schemas.by_id(900)
    registry.__init__()  # so that the fixture has something to close


def test_a_hiccup_is_tried_again(registry):
    registry.put(900, PLAIN)
    registry.failing = [500, 429]
    assert client(registry, attempts=4).by_id(900) == PLAIN


def test_an_unknown_id_is_the_fault_of_the_packet_and_asked_for_once(registry):
    schemas = client(registry)
    for _ in range(3):
        with pytest.raises(SchemaNotFound):
            schemas.by_id(12345)
    assert registry.requests["/schemas/ids/12345"] == 1


def test_references_are_followed(registry):
    registry.put(1, SOURCE, subject="source")
    registry.put(2, ALERT, references=[{"name": "lsst.v9_0.diaSource", "subject": "source", "version": 1}])
    schema = client(registry).by_id(2)
    assert schema["fields"][0]["type"]["fields"][0]["name"] == "ra"
    assert schema["fields"][1]["type"][1]["items"] == "lsst.v9_0.diaSource"


def test_credentials(registry):
    registry.put(900, PLAIN)
    registry.credentials = ("user", "secret")
    assert client(registry, credentials=("user", "secret")).by_id(900) == PLAIN
    with pytest.raises(RegistryUnavailable, match="credentials"):
        client(registry).by_id(900)


def test_a_damaged_cache_is_asked_for_again(registry, tmp_path):
    registry.put(900, PLAIN)
    client(registry, tmp_path).by_id(900)
    (cached,) = tmp_path.rglob("*.avsc")
    cached.write_text("{")
    assert client(registry, tmp_path).by_id(900) == PLAIN
    assert json.loads(cached.read_text()) == PLAIN


def test_registries_do_not_share_their_ids(registry, tmp_path):
    registry.put(900, PLAIN)
    client(registry, tmp_path).by_id(900)
    other = SchemaRegistry(registry.url.replace("127.0.0.1", "localhost"), tmp_path, attempts=1)
    del registry.answers["/schemas/ids/900"]
    with pytest.raises(SchemaNotFound):
        other.by_id(900)


def test_an_answer_that_is_no_schema(registry):
    registry.answers["/schemas/ids/1"] = {"schema": "no json"}
    registry.answers["/schemas/ids/2"] = {"hello": "world"}
    with pytest.raises(SchemaNotFound, match="readable"):
        client(registry).by_id(1)
    with pytest.raises(RegistryUnavailable):
        client(registry).by_id(2)


def test_folder_in_the_layout_of_rubin(folder):
    schemas = SchemaFolder(folder)
    assert schemas.by_id(900)["name"] == "lsst.v9_0.alert"
    assert schemas.for_topic("anything") == schemas.by_id(900)
    with pytest.raises(SchemaNotFound, match="901"):
        schemas.by_id(901)


def test_one_file_with_its_parts_beside(folder):
    schema = SchemaFolder(folder / "9" / "0" / "lsst.v9_0.alert.avsc").for_topic(None)
    assert schema["fields"][0]["type"]["name"] == "lsst.v9_0.diaSource"


def test_files_named_by_topic_and_number(tmp_path):
    (tmp_path / "alerts.avsc").write_text(json.dumps(PLAIN))
    (tmp_path / "42.avsc").write_text(json.dumps(PLAIN | {"name": "other"}))
    schemas = SchemaFolder(tmp_path)
    assert schemas.for_topic("alerts")["name"] == "plain"
    assert schemas.by_id(42)["name"] == "other"
    with pytest.raises(SchemaNotFound, match="several"):
        schemas.for_topic("else")


def test_no_folder_no_schema_no_json(tmp_path):
    with pytest.raises(SchemaNotFound):
        SchemaFolder(tmp_path / "nowhere")
    (tmp_path / "a.avsc").write_text("no json")
    with pytest.raises(SchemaNotFound, match=r"a\.avsc"):
        SchemaFolder(tmp_path)


def test_the_folder_is_asked_before_the_registry(folder, registry):
    registry.put(901, PLAIN)
    schemas = schema_source(registry.url, folder)
    assert schemas.by_id(900)["name"] == "lsst.v9_0.alert"
    assert schemas.by_id(901) == PLAIN
    assert "/schemas/ids/900" not in registry.requests


def test_no_source_at_all():
    for source in (NoSchemas(), FirstOf()):
        with pytest.raises(SchemaNotFound):
            source.by_id(1)
        with pytest.raises(SchemaNotFound):
            source.for_topic("alerts")


def test_every_schema_of_rubin_has_its_id(rubin_schemas):
    for number in (700, 704, 800, 900, 1000, 1101):
        assert rubin_schemas.by_id(number)["name"] == f"lsst.v{number // 100}_{number % 100}.alert"


def test_credentials_do_not_follow_a_redirect_to_another_host():
    with HttpPeer() as other, HttpPeer() as peer:
        peer.answers = [(307, {"Location": f"{other.url}/schemas/ids/1"}, b"")]
        schemas = SchemaRegistry(peer.url, credentials=("user", "secret"))
        with pytest.raises(RegistryUnavailable, match="another host"):
            schemas.by_id(1)
        assert other.requests == []


def test_a_registry_that_moved_on_the_same_host():
    with HttpPeer() as peer:
        peer.answers = [
            (301, {"Location": "/new/schemas/ids/1"}, b""),
            (200, {}, json.dumps({"schema": json.dumps(PLAIN)}).encode()),
        ]
        assert SchemaRegistry(peer.url).by_id(1) == PLAIN
        peer.answers = [(304, {}, b"")]
        with pytest.raises(RegistryUnavailable, match="status 304"):
            SchemaRegistry(peer.url).by_id(1)
