"""Clusters, registries and streams as settings: where values come from, what is inherited, refused and hidden."""

from __future__ import annotations

import json
import os
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from broker_assets.settings import Settings
from broker_assets.settings.stream import (
    ClusterSettings,
    KafkaSettings,
    RegistrySettings,
    SecretFileError,
    StreamSettings,
    env_key,
)

SECRET = "hunter2"

Given = Callable[..., Settings]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    """A function that loads the settings of a TOML file and of environment variables (without their prefix)."""

    def load(toml: str = "", **environment: str) -> Settings:
        for name in [name for name in os.environ if name.startswith("BROKER_")]:
            monkeypatch.delenv(name)
        path = tmp_path / "broker.toml"
        path.write_text(toml)
        monkeypatch.setenv("BROKER_SETTINGS", str(path))
        for name, value in environment.items():
            monkeypatch.setenv(f"BROKER_{name}", value)
        return Settings()

    return load


def cluster(settings: Settings, name: str) -> ClusterSettings:
    return settings.location(settings.stream(name)).cluster


RUBIN = {"topic": "rubin-alerts", "survey": "rubin", "framing": "confluent"}
ZTF = {"topic": "ztf-alerts", "survey": "ztf", "framing": "container"}

TWO_CLUSTERS = """
[kafka]
bootstrap_servers = "kafka:9092"
group = "nearby"
client = {"socket.timeout.ms" = "9000", "ssl.cipher.suites" = "DEFAULT"}

[kafka.registry]
url = "https://ours/registry"

[streams.rubin]
topic = "alerts-simulated"
survey = "rubin"
framing = "confluent"

[streams.rubin.kafka]
bootstrap_servers = "usdf:9094"
security_protocol = "SASL_SSL"
sasl_mechanism = "SCRAM-SHA-512"
username = "nearby"

[streams.rubin.kafka.registry]
url = "https://usdf/registry"

[streams.ztf]
topic = "ztf-alerts"
survey = "ztf"
framing = "container"
"""


# Where values come from ---------------------------------------------------------------------------------------------


def test_the_old_form_still_works(given: Given) -> None:
    """One cluster, librdkafka's own names, the password apart, a registry per stream."""
    client = {"security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN", "sasl.username": "me", "debug": "broker"}
    settings = given(
        KAFKA__BOOTSTRAP_SERVERS="kafka:9092",
        KAFKA__CLIENT=json.dumps(client),
        KAFKA__PASSWORD=SECRET,
        STREAMS=json.dumps([RUBIN | {"registry_url": "https://registry"}, ZTF]),
    )
    assert [stream.name for stream in settings.streams] == ["rubin-alerts", "ztf-alerts"]
    for name in ("rubin-alerts", "ztf-alerts"):
        assert cluster(settings, name).bootstrap_servers == "kafka:9092"
        assert cluster(settings, name).properties() == {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "me",
            "sasl.password": SECRET,
            "debug": "broker",
        }
    assert cluster(settings, "rubin-alerts").registry.url == "https://registry"
    assert cluster(settings, "ztf-alerts").registry.url is None


def test_each_stream_has_its_cluster(given: Given) -> None:
    settings = given(TWO_CLUSTERS, STREAMS__RUBIN__KAFKA__PASSWORD=SECRET)
    rubin, ztf = cluster(settings, "rubin"), cluster(settings, "ztf")
    assert (rubin.bootstrap_servers, ztf.bootstrap_servers) == ("usdf:9094", "kafka:9092")
    assert rubin.properties() == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "nearby",
        "sasl.password": SECRET,
        "socket.timeout.ms": "9000",
    }
    assert ztf.properties() == {"socket.timeout.ms": "9000", "ssl.cipher.suites": "DEFAULT"}
    assert (rubin.group, ztf.group) == ("nearby", "nearby")
    assert (rubin.registry.url, ztf.registry.url) == ("https://usdf/registry", "https://ours/registry")
    assert [(place.name, place.topic) for place in settings.locations()] == [
        ("rubin", "alerts-simulated"),
        ("ztf", "ztf-alerts"),
    ]


@pytest.mark.parametrize("form", ["list in the file", "tables in the file", "JSON in the environment"])
def test_the_environment_sets_a_part_of_one_stream(given: Given, form: str) -> None:
    user = {"KAFKA__USERNAME": "me", "KAFKA__CLIENT": '{"sasl.mechanism": "PLAIN", "socket.timeout.ms": "1"}'}
    parts = {f"STREAMS__ZTF_ALERTS__{name}": value for name, value in user.items()}
    parts |= {"STREAMS__ZTF_ALERTS__KAFKA__PASSWORD": SECRET, "STREAMS__ZTF_ALERTS__PARTITIONS_PER_RUN": "3"}
    if form == "JSON in the environment":
        parts["STREAMS"] = json.dumps([RUBIN, ZTF | {"kafka": {"security_protocol": "SASL_SSL"}}])
        settings = given(**parts)
    else:
        head = {"list in the file": "[[streams]]", "tables in the file": "[streams.{}]"}[form]
        sub = {"list in the file": "[streams.kafka]", "tables in the file": "[streams.{}.kafka]"}[form]
        lines = []
        for stream in (RUBIN, ZTF):
            lines += [head.format(stream["topic"])] + [f'{name} = "{value}"' for name, value in stream.items()]
        lines += [sub.format("ztf-alerts"), 'security_protocol = "SASL_SSL"']
        settings = given("\n".join(lines), **parts)
    assert [stream.name for stream in settings.streams] == ["rubin-alerts", "ztf-alerts"]
    assert cluster(settings, "ztf-alerts").properties() == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "me",
        "sasl.password": SECRET,
        "socket.timeout.ms": "1",
    }
    assert settings.stream("ztf-alerts").partitions_per_run == 3
    assert settings.stream("rubin-alerts").partitions_per_run == 8
    assert cluster(settings, "rubin-alerts").properties() == {}


def test_a_stream_wholly_of_environment_variables(given: Given) -> None:
    settings = given(STREAMS__LSST__TOPIC="t", STREAMS__LSST__SURVEY="rubin", STREAMS__LSST__FRAMING="confluent")
    assert [(stream.name, stream.topic) for stream in settings.streams] == [("lsst", "t")]


def test_the_list_of_the_environment_replaces_that_of_the_file(given: Given) -> None:
    settings = given(TWO_CLUSTERS, STREAMS=json.dumps([ZTF]), STREAMS__ZTF_ALERTS__PARTITIONS_PER_RUN="2")
    assert [(stream.name, stream.partitions_per_run) for stream in settings.streams] == [("ztf-alerts", 2)]


def test_arguments_replace_everything(given: Given) -> None:
    given(TWO_CLUSTERS, STREAMS__RUBIN__KAFKA__PASSWORD=SECRET, KAFKA__GROUP="other")
    settings = Settings(streams=[StreamSettings(topic="t", survey="ztf", framing="container")])
    assert [stream.name for stream in settings.streams] == ["t"]


def test_secrets_come_from_files_when_they_are_needed(given: Given, tmp_path: Path) -> None:
    user, password = tmp_path / "user", tmp_path / "password"
    settings = given(
        TWO_CLUSTERS.replace('username = "nearby"', f'username_file = "{user}"\npassword_file = "{password}"')
    )
    with pytest.raises(SecretFileError, match="user cannot be read: No such file"):
        cluster(settings, "rubin").properties()
    user.write_text("me\n")
    password.write_text(" with spaces \r\n")
    properties = cluster(settings, "rubin").properties()
    assert (properties["sasl.username"], properties["sasl.password"]) == ("me", " with spaces ")
    password.write_text("newer\n")
    assert cluster(settings, "rubin").properties()["sasl.password"] == "newer"
    password.write_text("\n")
    with pytest.raises(SecretFileError, match="password is empty"):
        cluster(settings, "rubin").properties()
    assert {user, password} <= set(cluster(settings, "rubin").files)


def test_the_notices_have_a_cluster_too(given: Given) -> None:
    assert given(TWO_CLUSTERS, STREAMS__RUBIN__KAFKA__PASSWORD=SECRET).notice_location() is None
    ours = given(KAFKA__BOOTSTRAP_SERVERS="kafka:9092", NOTICES__TOPIC="igwn.gwalert").notice_location()
    assert ours is not None
    assert (ours.name, ours.cluster.bootstrap_servers) == ("igwn.gwalert", "kafka:9092")
    client = '{"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER", "sasl.oauthbearer.client.secret": "x"}'
    address = {"NOTICES__TOPIC": "igwn.gwalert", "NOTICES__KAFKA__BOOTSTRAP_SERVERS": "kafka.gcn:9092"}
    gcn = given(NOTICES__NAME="gcn", NOTICES__KAFKA__CLIENT=client, **address)
    theirs = gcn.notice_location()
    assert theirs is not None
    assert (theirs.name, theirs.topic, theirs.cluster.bootstrap_servers) == ("gcn", "igwn.gwalert", "kafka.gcn:9092")
    assert theirs.cluster.client_secrets == {"sasl.oauthbearer.client.secret": SecretStr("x")}
    assert gcn.locations()[-1] == theirs


# What is inherited --------------------------------------------------------------------------------------------------

OURS = KafkaSettings(
    bootstrap_servers="kafka:9092",
    security_protocol="SASL_SSL",
    sasl_mechanism="PLAIN",
    username=SecretStr("us"),
    password=SecretStr("ours"),
    ca_file=Path("ca.pem"),
    group="nearby",
    client={"socket.timeout.ms": "9", "ssl.curves.list": "P-521"},
    client_secrets={"ssl.keystore.password": SecretStr("keystore")},
    registry=RegistrySettings(
        url="http://r", username=SecretStr("ru"), password=SecretStr("rp"), ca_file=Path("r.pem")
    ),
)


def test_a_section_without_an_address_inherits_everything() -> None:
    assert ClusterSettings().inheriting(OURS).properties() == OURS.properties()
    assert ClusterSettings().inheriting(OURS).registry == OURS.registry
    assert ClusterSettings(bootstrap_servers="kafka:9092").inheriting(OURS).properties() == OURS.properties()


def test_another_user_of_the_same_cluster(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("theirs")
    own = ClusterSettings(username=SecretStr("them"), password_file=secret, client={"socket.timeout.ms": "1"})
    found = own.inheriting(OURS)
    assert found.properties() == OURS.properties() | {
        "sasl.username": "them",
        "sasl.password": "theirs",
        "socket.timeout.ms": "1",
    }
    assert found.bootstrap_servers == "kafka:9092"


def test_credentials_never_go_to_another_cluster() -> None:
    """Nor a registry, whose ids would mean other schemas there."""
    found = ClusterSettings(bootstrap_servers="elsewhere:9092").inheriting(OURS)
    assert found.properties() == {"socket.timeout.ms": "9"}
    assert found.group == "nearby"
    assert found.registry == RegistrySettings()


def test_credentials_of_a_registry_go_with_its_address() -> None:
    own = ClusterSettings(registry=RegistrySettings(username=SecretStr("a"), password=SecretStr("b")))
    assert own.inheriting(OURS).registry.credentials() == ("a", "b")
    assert own.inheriting(OURS).registry.url == "http://r"
    other = ClusterSettings(registry=RegistrySettings(url="http://other"))
    assert other.inheriting(OURS).registry.credentials() is None
    assert other.inheriting(OURS).registry.ca_file is None


def test_the_credentials_of_a_url_are_taken_out_of_it() -> None:
    stream = StreamSettings(registry_url=f"https://m%40e:{SECRET}@registry:81/x", **RUBIN)  # type: ignore[arg-type]
    assert stream.registry_url == stream.kafka.registry.url == "https://registry:81/x"
    assert stream.kafka.registry.credentials() == ("m@e", SECRET)


# What is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("streams", "message"),
    [
        ([RUBIN, RUBIN | {"kafka": {"bootstrap_servers": "other:1"}}], "two streams are called 'rubin-alerts': give"),
        ([RUBIN, ZTF | {"name": "rubin_ALERTS"}], "'rubin-alerts' and 'rubin_ALERTS', which are too similar"),
        ([RUBIN | {"name": "../x"}], "cannot be the name of a stream"),
        ([RUBIN | {"name": ".."}], "cannot be the name of a stream"),
        ([RUBIN | {"kafka": {"username": "me", "password": SECRET}}], "would not be used: security_protocol"),
        ([RUBIN | {"kafka": {"security_protocol": "SASL_SSL", "username": "me"}}], "a user needs its password"),
        (
            [RUBIN | {"kafka": {"security_protocol": "SASL_SSL", "username": "me", "password": SECRET}}],
            "sasl_mechanism is missing",
        ),
        (
            [RUBIN | {"kafka": {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-256"}}],
            "needs username and password",
        ),
        ([RUBIN | {"kafka": {"ca_file": "ca.pem"}}], "certificates are given, but would not be used"),
        ([RUBIN | {"kafka": {"security_protocol": "SSL", "key_file": "k.pem"}}], "belong together"),
        ([RUBIN | {"kafka": {"password": SECRET, "password_file": "x"}}], "give password or password_file"),
        ([RUBIN | {"kafka": {"password": SECRET, "client": {"sasl.password": SECRET}}}], "mean the same"),
        ([RUBIN | {"registry_url": "http://a", "kafka": {"registry": {"url": "http://b"}}}], "mean the same"),
        ([RUBIN | {"registry_url": f"http://me:{SECRET}@a", "kafka": {"registry": {"password": SECRET}}}], "a user"),
        ([RUBIN | {"kafka": {"registry": {"url": f"http://me:{SECRET}@a", "password": SECRET}}}], "give them once"),
        ([RUBIN | {"kafka": {"pasword": SECRET}}], "Extra inputs"),
        ([RUBIN | {"kafka": {"embedded": "tansu"}}], "Extra inputs"),
    ],
)
def test_what_cannot_work_is_refused_at_start(given: Given, streams: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        given(STREAMS=json.dumps(streams))
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_part_of_no_stream_is_refused(given: Given) -> None:
    with pytest.raises(ValidationError, match="'rubbin' has no topic, or no stream has this name"):
        given(TWO_CLUSTERS.replace('username = "nearby"', ""), STREAMS__RUBBIN__KAFKA__PASSWORD=SECRET)


def test_notices_and_alerts_need_different_names(given: Given) -> None:
    with pytest.raises(ValidationError, match="two streams are called 'ztf-alerts'"):
        given(STREAMS=json.dumps([ZTF]), NOTICES__TOPIC="ztf-alerts")
    named = given(STREAMS=json.dumps([ZTF]), NOTICES__TOPIC="ztf-alerts", NOTICES__NAME="gcn")
    assert [(place.name, place.topic) for place in named.locations()] == [
        ("ztf-alerts", "ztf-alerts"),
        ("gcn", "ztf-alerts"),
    ]


def test_one_topic_on_two_clusters_needs_names(given: Given) -> None:
    """Positions, archive and assets are kept by name; that of the first stays what its topic was."""
    fink = RUBIN | {"name": "fink", "kafka": {"bootstrap_servers": "fink:9092"}}
    settings = given(STREAMS=json.dumps([RUBIN, fink]))
    assert [(place.name, place.topic) for place in settings.locations()] == [
        ("rubin-alerts", "rubin-alerts"),
        ("fink", "rubin-alerts"),
    ]
    with pytest.raises(KeyError, match="no stream is called 'ztf'; configured: rubin-alerts, fink"):
        settings.stream("ztf")


# What is hidden -----------------------------------------------------------------------------------------------------


def test_secrets_are_not_shown(given: Given) -> None:
    kafka = {
        "bootstrap_servers": "usdf:9094",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "client": {
            "sasl.username": f"user-{SECRET}",
            "sasl.password": f"pass-{SECRET}",
            "ssl.key.password": f"key-{SECRET}",
            "ssl.keystore.password": f"store-{SECRET}",
            "sasl.oauthbearer.client.secret": f"oauth-{SECRET}",
            "ssl.key.pem": f"pem-{SECRET}",
            "socket.timeout.ms": "9",
        },
        "registry": {"url": f"https://me:{SECRET}@usdf"},
    }
    settings = given(STREAMS=json.dumps([RUBIN | {"kafka": kafka}]))
    found = cluster(settings, "rubin-alerts")
    assert sum(SECRET in value for value in found.properties().values()) == 6
    assert found.client == {"socket.timeout.ms": "9"}
    for shown in (
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        repr(settings.locations()),
        repr(found),
        found.model_dump_json(),
    ):
        assert "usdf" in shown
        assert SECRET not in shown


def test_what_is_not_json_is_not_shown(given: Given) -> None:
    with pytest.raises(ValueError, match="error parsing") as caught:
        given(STREAMS__RUBIN__KAFKA=f'{{"password": "{SECRET}"')
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_names_in_the_environment() -> None:
    assert [env_key(name) for name in ("rubin-alerts", "igwn.gwalert", "ZTF__public-")] == [
        "rubin_alerts",
        "igwn_gwalert",
        "ztf_public",
    ]


def test_the_example_of_the_documentation(given: Given) -> None:
    page = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    (toml,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (variable,) = set(re.findall(r"BROKER_(STREAMS__[A-Z]+__KAFKA__PASSWORD)", page))
    assert [stream.name for stream in given(toml).streams] == ["rubin", "ztf"]
    settings = given(toml.replace("password_file", "# password_file", 1), **{variable: SECRET})
    rubin, ztf = cluster(settings, "rubin"), cluster(settings, "ztf")
    assert rubin.properties()["sasl.password"] == SECRET
    assert (ztf.bootstrap_servers, ztf.properties()) == ("kafka.example.org:9092", {})
    assert (rubin.group, ztf.group) == ("our-broker-mirror", None)
    assert rubin.registry.url == "https://schemas.example.org"
