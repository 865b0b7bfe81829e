"""The compose file: valid, and the same processes as on one machine."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import parse_qs

import jsonschema
import pytest
import yaml
from compose_schema import COMPOSE_SCHEMA
from setting_names import setting_variables

from broker_assets.database.engine import NETWORK_LOST
from broker_assets.local import jars, platform
from broker_assets.resources.run_containers import OF_SERVICES, SettingsRunLauncher, passed_on
from broker_assets.settings import KafkaSettings, Settings

ROOT = Path(__file__).parents[2]
EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside a container
DOCKER = ROOT / "docker"
IMAGE = "${BROKER_IMAGE:-broker-assets}"


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


def test_it_follows_the_compose_specification(compose: dict) -> None:
    jsonschema.validate(compose, COMPOSE_SCHEMA)


def test_all_parts_are_there(compose: dict) -> None:
    wanted = {"postgres", "kafka", "code-server", "webserver", "daemon", "api", "proxy"}
    assert wanted <= set(compose["services"])


def test_services_are_the_processes_of_one_machine(compose: dict) -> None:
    commands = platform.commands(
        host=EVERYWHERE, dagster_port=3000, api_port=8000, code_port=4000, workspace="workspace.yaml"
    )
    # The code of an image does not change, so that nothing needs to be reloaded.
    commands["code-server"][:3] = ["dagster", "api", "grpc"]
    assert {name: compose["services"][name]["command"] for name in commands} == commands
    assert compose["services"]["prepare"]["command"][1:] == ["-m", "broker_assets.local.prepare"]


def test_only_the_proxy_has_ports_and_on_loopback_by_default(compose: dict) -> None:
    with_ports = {name for name, service in compose["services"].items() if service.get("ports")}
    assert with_ports == {"proxy"}
    assert all(port.startswith("${LISTEN_ADDRESS:-127.0.0.1}:") for port in compose["services"]["proxy"]["ports"])


def test_no_secret_is_written_down(compose: dict) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "URL" in name:
                assert "://" not in value or "${POSTGRES_PASSWORD:?}" in value or value.startswith("${")


def test_every_dependency_exists_and_is_healthy_by_a_check(compose: dict) -> None:
    services = compose["services"]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services, f"{name} depends on {needed}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed], f"{name} waits for {needed}"


def test_kafka_is_the_version_of_the_pom_and_takes_large_packets(compose: dict) -> None:
    kafka = compose["services"]["kafka"]
    assert kafka["image"] == f"apache/kafka:{jars.kafka_version()}"
    assert int(kafka["environment"]["KAFKA_MESSAGE_MAX_BYTES"]) >= 16 * 1024**2


def test_variables_of_the_workspace_and_the_launcher_are_set(compose: dict) -> None:
    def wanted(node: object) -> set[str]:
        if isinstance(node, dict):
            if set(node) == {"env"}:
                return {node["env"]}
            return set().union(*(wanted(value) for value in node.values()))
        return set().union(*(wanted(value) for value in node)) if isinstance(node, list) else set()

    launcher = yaml.safe_load((DOCKER / "run_launcher.yaml").read_text())
    names = wanted(launcher) | wanted(yaml.safe_load((ROOT / "workspace.yaml").read_text()))
    names |= wanted(yaml.safe_load((ROOT / "dagster.yaml").read_text()))
    names |= set(launcher["run_launcher"]["config"]["env_vars"])
    assert {"DAGSTER_PG_URL", "BROKER_CODE_SERVER_HOST"} <= names
    assert names <= set(compose["services"]["daemon"]["environment"])


def test_dagsters_connections_notice_that_the_network_is_down(compose: dict) -> None:
    """As ours do; of Dagster's, which makes them by itself, the address must say so, in every deployment."""
    texts = [DOCKER / "compose.yaml", DOCKER / "compose.pgbouncer.yaml", DOCKER / "kubernetes" / "secrets.example.yaml"]
    addresses = [re.findall(r"DAGSTER_PG_URL: (\S+)", text.read_text()) for text in texts]
    assert [len(found) for found in addresses] == [1, 1, 1]
    for (address,) in addresses:
        assert parse_qs(address.rpartition("?")[2]) == {name: [str(value)] for name, value in NETWORK_LOST.items()}


def test_every_setting_reaches_every_container(compose: dict) -> None:
    """From one file; runs get what the daemon has (`resources/test_run_containers.py`)."""
    names = set(setting_variables())
    ours = {name: service for name, service in compose["services"].items() if service.get("image") == IMAGE}
    assert len(ours) == 6
    for name, service in ours.items():
        assert service["env_file"] == [{"path": "${CONFIG_FOLDER:?}/settings.env", "required": False}], name
        # What is set here would have precedence over the file: only what the parts of this installation agree on.
        fixed = {key for key in service["environment"] if key.startswith("BROKER_")} - {"BROKER_SETTINGS"}
        assert fixed - OF_SERVICES <= names, name
        assert len(fixed) < 20, name
    launcher = yaml.safe_load((DOCKER / "run_launcher.yaml").read_text())["run_launcher"]
    assert (launcher["module"], launcher["class"]) == (SettingsRunLauncher.__module__, SettingsRunLauncher.__name__)
    of_the_daemon = set(compose["services"]["daemon"]["environment"])
    assert (of_the_daemon & names) - OF_SERVICES <= set(passed_on(of_the_daemon))


def environment_of(compose: dict) -> dict:
    """Variables of the daemon, which launches runs."""
    return compose["services"]["daemon"]["environment"]


def test_runs_see_the_archive_and_the_network_of_the_services(compose: dict) -> None:
    config = yaml.safe_load((DOCKER / "run_launcher.yaml").read_text())["run_launcher"]["config"]
    names = {volume: compose["volumes"][volume]["name"] for volume in ("archive", "config")}
    mounted = [f"{names['archive']}:/var/lib/broker", f"{names['config']}:/etc/broker:ro"]
    mounted.append(f"{compose['volumes']['backups']['name']}:{environment_of(compose)['BROKER_BACKUP__FOLDER']}")
    assert config["container_kwargs"]["volumes"] == mounted
    ours = {name: service for name, service in compose["services"].items() if service.get("image") == IMAGE}
    assert len(ours) == 6
    for name, service in ours.items():
        of_services = {mount.split(":", 1)[0]: mount.split(":", 1)[1] for mount in service["volumes"]}
        assert (of_services["archive"], of_services["config"]) == ("/var/lib/broker", "/etc/broker:ro"), name
    environment = compose["services"]["daemon"]["environment"]
    named = [network["name"] for network in compose["networks"].values() if "name" in (network or {})]
    assert config["networks"] == named
    assert environment["DAGSTER_CURRENT_IMAGE"] == compose["services"]["code-server"]["image"]


def test_the_image_copies_only_what_the_context_holds() -> None:
    """`.dockerignore` lets through every path that the Dockerfile copies."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = set()
    for line in (DOCKER / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            copied |= set(line.split()[1:-1])
    assert copied == allowed
    absent = {path for path in copied if not (ROOT / path).exists()}
    assert absent <= {"README.md"}


def test_the_settings_file_is_found_and_complete(compose: dict) -> None:
    """Its streams, also the one in comments, are on the cluster that they name or on that of the file."""
    environment = compose["services"]["daemon"]["environment"]
    assert environment["BROKER_SETTINGS"] == "/etc/broker/broker.toml"
    written = (DOCKER / "config" / "broker.toml").read_text()
    example = "\n".join(line.removeprefix("# ") for line in written.splitlines() if not line.startswith("# A stream"))
    example = example[example.index("[streams") :]
    for text, number in ((written, 3), (example, 4)):
        streams = tomllib.loads(text)["streams"]
        settings = Settings(streams=streams, kafka=KafkaSettings(bootstrap_servers="kafka:9092"))
        assert len(settings.streams) == number
    clusters = [settings.location(stream).cluster for stream in settings.streams]
    assert [cluster.bootstrap_servers for cluster in clusters] == ["kafka:9092"] * 3 + ["broker.example.org:9094"]
    assert all(path.parent == Path("/etc/broker") for path in clusters[3].files)
    assert len(clusters[3].files) == 2


def test_the_proxy_reaches_the_web_servers_only_and_nothing_else_is_published(compose: dict) -> None:
    """Networks: who can open a connection to whom."""
    services = compose["services"]
    members = {
        network: {name for name, service in services.items() if network in service["networks"]}
        for network in compose["networks"]
    }
    ours = {"prepare", "code-server", "daemon", "webserver", "api"}
    keepers = {"postgres", "psql", "backup"}
    assert members["pages"] == {"proxy", "api", "webserver"}
    assert members["docker"] == {"docker-proxy", "daemon", "webserver"}
    assert members["code"] == {"code-server", "daemon", "webserver"}
    assert members["edge"] == {"proxy"}
    assert members["database"] == ours | keepers
    assert members["streams"] == ours | {"kafka"}
    assert members["outside"] == ours
    assert compose["networks"]["outside"]["driver_opts"] == {"com.docker.network.bridge.enable_icc": "false"}
    internal = {name for name, network in compose["networks"].items() if (network or {}).get("internal")}
    assert internal == {"pages", "docker", "code", "database", "streams"}


def test_only_the_proxy_of_docker_sees_the_socket(compose: dict) -> None:
    holders = {
        name
        for name, service in compose["services"].items()
        if any("docker.sock" in volume for volume in service.get("volumes", []))
    }
    assert holders == {"docker-proxy"}
    launching = {
        name for name, service in compose["services"].items() if "DOCKER_HOST" in service.get("environment", {})
    }
    assert launching == {"daemon", "webserver"}


@pytest.mark.parametrize(
    ("request_line", "allowed"),
    [
        ("POST /v1.47/containers/create", True),
        ("POST /v1.47/containers/0123abcd/start", True),
        ("POST /v1.47/containers/0123abcd/stop", True),
        ("GET /v1.47/containers/0123abcd/json", True),
        ("GET /version", True),
        ("GET /v1.47/images/broker-assets/json", True),
        ("GET /v1.47/networks/broker-streams", True),
        ("POST /v1.47/networks/0123abcd/connect", True),
        ("POST /v1.47/networks/create", False),
        ("POST /v1.47/networks/0123abcd/disconnect", False),
        ("POST /v1.47/containers/0123abcd/exec", False),
        ("POST /v1.47/exec/0123abcd/start", False),
        ("POST /v1.47/images/create", False),
        ("POST /v1.47/build", False),
        ("POST /v1.47/volumes/create", False),
        ("DELETE /v1.47/containers/0123abcd", False),
        ("GET /v1.47/containers/json", False),
        ("GET /v1.47/secrets", False),
        ("PUT /v1.47/containers/0123abcd/archive", False),
        ("GET /v1.47/containers/0123abcd/../../secrets", False),
    ],
)
def test_the_proxy_of_docker_passes_on_what_runs_need(request_line: str, allowed: bool) -> None:
    """Its patterns, which nginx matches as PCRE; they use only what Python has too."""
    text = (DOCKER / "docker-proxy.conf").read_text()
    block = text[text.index("map ") :].split("}\n", 1)[0]
    patterns = re.findall(r'"~(.+)" 1;', block)
    assert len(patterns) > 4
    assert "default 0;" in block
    assert any(re.search(pattern, request_line) for pattern in patterns) is allowed


def test_no_container_gains_privileges(compose: dict) -> None:
    config = yaml.safe_load((DOCKER / "run_launcher.yaml").read_text())["run_launcher"]["config"]
    for name, container in {**compose["services"], "runs": config["container_kwargs"]}.items():
        assert container["cap_drop"] == ["ALL"], name
        assert container["security_opt"] == ["no-new-privileges:true"], name
        assert not container.get("privileged"), name
    assert {name for name, service in compose["services"].items() if "cap_add" in service} == {"postgres", "proxy"}


def test_what_is_under_development_is_mounted_everywhere(compose: dict) -> None:
    """As in compose.yaml, but for the source of the host, which runs get too."""
    override = yaml.safe_load((DOCKER / "compose.development.yaml").read_text())
    jsonschema.validate(override, COMPOSE_SCHEMA)
    ours = {name for name, service in compose["services"].items() if service.get("image") == IMAGE}
    assert set(override["services"]) == ours
    source = "source:/opt/broker/broker_assets:ro"
    assert all(service["volumes"][0] == source for service in override["services"].values())
    commands = platform.commands(
        host=EVERYWHERE, dagster_port=3000, api_port=8000, code_port=4000, workspace="workspace.yaml"
    )
    assert override["services"]["code-server"]["command"] == commands["code-server"]
    assert override["services"]["api"]["command"] == [*commands["api"], "--reload", "--reload-dir", "broker_assets"]
    usual, changed = (
        yaml.safe_load((DOCKER / name).read_text()) for name in ("run_launcher.yaml", "run_launcher.development.yaml")
    )
    volumes = changed["run_launcher"]["config"]["container_kwargs"]["volumes"]
    assert volumes.pop() == f"{override['volumes']['source']['name']}:/opt/broker/broker_assets:ro"
    assert changed == usual
    assert "run_launcher.development.yaml" in override["services"]["daemon"]["command"][-1]


def test_backups_are_made_where_they_are_kept(compose: dict) -> None:
    """By runs, on schedules of Dagster; the log by a service, over a connection that the server admits."""
    service = compose["services"]["backup"]
    assert service["command"] == ["broker-assets", "backup", "receive"]
    folder = environment_of(compose)["BROKER_BACKUP__FOLDER"]
    assert f"backups:{folder}" in service["volumes"]
    assert "backups" not in str(compose["services"]["api"]["volumes"])  # they hold the hashes of passwords
    assert folder in (DOCKER / "Dockerfile").read_text()
    assert "host replication broker all scram-sha-256" in (DOCKER / "postgres" / "replication.sh").read_text()
    assert "max_slot_wal_keep_size=8GB" in compose["services"]["postgres"]["command"]


def test_the_shell_of_the_database_is_one_of_its_server(compose: dict) -> None:
    shell, server = compose["services"]["psql"], compose["services"]["postgres"]
    assert shell["image"] == server["image"]
    assert shell["profiles"] == ["tools"]  # never started with the others
    assert shell["environment"]["PGUSER"] == server["environment"]["POSTGRES_USER"]
    assert shell["command"] == ["psql"]


def test_the_api_has_no_password_with_which_it_could_write(compose: dict) -> None:
    environment = compose["services"]["api"]["environment"]
    assert not any("POSTGRES_PASSWORD" in value for value in environment.values())
    assert "READER_PASSWORD" in environment["BROKER_DATABASE__READER_URL"]
    prepare = compose["services"]["prepare"]["environment"]
    assert prepare["BROKER_DATABASE__READER_URL"] == environment["BROKER_DATABASE__READER_URL"]


def test_every_variable_is_in_the_example(compose: dict) -> None:
    files = sorted(DOCKER.glob("compose*.yaml"))
    assert len(files) == 5
    used = {name for path in files for name in re.findall(r"\$\{([A-Z_]+):\?", path.read_text())}
    given = {line.split("=")[0] for line in (DOCKER / "example.env").read_text().splitlines() if "=" in line[:40]}
    assert used <= given


def test_listeners_for_readers_are_those_of_one_machine(tmp_path: Path) -> None:
    """The same properties, which `delivery/test_readers.py` runs."""
    from broker_assets.local.kafka_readers import ReaderListeners

    listeners = ReaderListeners(tmp_path)
    listeners.choose_ports()
    ours = listeners.properties(9092, 9093)
    kafka = yaml.safe_load((ROOT / "docker" / "compose.readers.yaml").read_text())["services"]["kafka"]
    given = {
        name.removeprefix("KAFKA_").lower().replace("___", "-").replace("_", "."): value
        for name, value in kafka["environment"].items()
    }
    assert given.keys() == ours.keys()
    same = [name for name in ours if "jaas" not in name and "listeners" not in name]
    assert {name: given[name] for name in same} == {name: ours[name] for name in same}
    assert all(port.startswith("${READERS_ADDRESS:-127.0.0.1}:") for port in kafka["ports"])
    assert "KAFKA_PASSWORD:?" in given["listener.name.internal.plain.sasl.jaas.config"]


def test_the_database_has_connections_for_everything(compose: dict) -> None:
    """At most, as `docker/README.md` counts them: web servers, runs, and Dagster's processes without a pool."""
    instance = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    settings = Settings()
    of_an_api = 2 * settings.server.database_connections  # to read, and for accounts
    of_a_run = 3 + 1 + 1 + settings.delivery.workers + 2  # session, attempts, sender, its workers, letters and feeds
    of_dagster = (
        instance["sensors"]["num_workers"] + instance["schedules"]["num_workers"]
        + instance["run_coordinator"]["config"]["dequeue_num_workers"] + 40
    )  # fmt: skip
    apis = next(
        entry["spec"]["maxReplicas"]
        for entry in yaml.safe_load_all((DOCKER / "kubernetes" / "api.yaml").read_text())
        if entry["kind"] == "HorizontalPodAutoscaler"
    )
    runs = instance["concurrency"]["runs"]["max_concurrent_runs"]
    limit = next(int(part.split("=")[1]) for part in compose["services"]["postgres"]["command"] if "max_conn" in part)
    assert apis * of_an_api + runs * of_a_run + of_dagster < 0.9 * limit
