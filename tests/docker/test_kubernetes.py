"""Values for Dagster's Helm chart: what the chart makes of them is the instance of `dagster.yaml`.

The chart and its schema are in no package, so its translation of values into an instance is written out here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import UserDefinedDagsterK8sConfig
from dagster_private import dagster_instance_config_schema, validate_config

from broker_assets.local import platform

ROOT = Path(__file__).parents[2]
EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside a container
FOLDER = ROOT / "docker" / "kubernetes"

POD = {
    "podSecurityContext",
    "securityContext",
    "image",
    "env",
    "envConfigMaps",
    "envSecrets",
    "labels",
    "resources",
    "volumes",
    "volumeMounts",
}
SECTIONS = {
    "generatePostgresqlPasswordSecret": set(),
    "postgresql": {
        "enabled", "postgresqlHost", "postgresqlUsername", "postgresqlPassword", "postgresqlDatabase",
        "postgresqlParams", "postgresqlScheme", "service",
    },
    "dagsterWebserver": POD | {"replicaCount", "pathPrefix", "service", "workspace", "enableReadOnly", "logLevel"},
    "dagster-user-deployments": {"enabled", "enableSubchart", "imagePullSecrets", "deployments"},
    "runLauncher": {"type", "config"},
    "dagsterDaemon": POD
    | {"enabled", "runCoordinator", "heartbeatTolerance", "runMonitoring", "runRetries", "sensors", "schedules"},
    "retention": {"enabled", "sensor", "schedule", "autoMaterialize"},
    "additionalInstanceConfig": {"concurrency"},
    "migrate": {"enabled"},
    "telemetry": {"enabled"},
}  # fmt: skip
"""Values that the schema of the chart (1.13) has, as far as a service may need them: Helm takes a misspelt one silently
where the schema allows more, and the service starts without it."""
DEPLOYMENT = POD | {"name", "dagsterApiGrpcArgs", "codeServerArgs", "port", "includeConfigInLaunchedRuns"}


@pytest.fixture(scope="module")
def values() -> dict:
    return yaml.safe_load((FOLDER / "values.yaml").read_text())


@pytest.fixture(scope="module")
def instance() -> dict:
    return yaml.safe_load((ROOT / "dagster.yaml").read_text())


def snake_case(node: object) -> object:
    """Names as `dagster.yaml` has them; names of Kubernetes' own objects are told apart by the caller."""
    if isinstance(node, dict):
        keep = {"applyLimitPerUniqueValue"}
        return {
            key if key in keep else re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), key): snake_case(value)
            for key, value in node.items()
        }
    return [snake_case(value) for value in node] if isinstance(node, list) else node


def test_only_names_that_the_chart_knows(values: dict) -> None:
    assert set(values) == set(SECTIONS)
    for section, known in SECTIONS.items():
        given = set(values[section]) if isinstance(values[section], dict) else set()
        assert given <= known, section
        assert bool(given) == bool(known), f"{section} says nothing"
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    assert {"name", "image", "port", "envSecrets"} <= set(deployment) <= DEPLOYMENT


def test_every_pod_gets_the_secret_of_the_settings(values: dict) -> None:
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    pods = [values["dagsterWebserver"], values["dagsterDaemon"], deployment, launcher]
    assert [pod["envSecrets"] for pod in pods] == [[{"name": "broker-assets"}]] * 4


def test_the_run_queue_is_that_of_one_machine(values: dict, instance: dict) -> None:
    coordinator = values["dagsterDaemon"]["runCoordinator"]
    assert coordinator["type"] == "QueuedRunCoordinator"
    queue = snake_case(coordinator["config"]["queuedRunCoordinator"])
    assert queue == instance["concurrency"]["runs"] | instance["run_queue"]
    assert values["additionalInstanceConfig"]["concurrency"]["pools"] == instance["concurrency"]["pools"]


@pytest.mark.parametrize(
    ("section", "ours"),
    [
        ("runMonitoring", "run_monitoring"),
        ("runRetries", "run_retries"),
        ("sensors", "sensors"),
        ("schedules", "schedules"),
    ],
)
def test_the_daemon_is_that_of_one_machine(values: dict, instance: dict, section: str, ours: str) -> None:
    assert snake_case(values["dagsterDaemon"][section]) == instance[ours]


def test_retention_is_that_of_one_machine(values: dict, instance: dict) -> None:
    retention = dict(values["retention"])
    assert retention.pop("enabled") is True
    assert snake_case(retention) == instance["retention"]


def test_dagster_accepts_what_the_chart_writes(values: dict) -> None:
    queue = snake_case(values["dagsterDaemon"]["runCoordinator"]["config"]["queuedRunCoordinator"])
    sections = {
        "run_coordinator": {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator", "config": queue},
        "run_monitoring": snake_case(values["dagsterDaemon"]["runMonitoring"]),
        "run_retries": snake_case(values["dagsterDaemon"]["runRetries"]),
        **values["additionalInstanceConfig"],
    }
    result = validate_config(dagster_instance_config_schema(), sections)
    assert result.success, result.errors


def test_the_launcher_of_kubernetes_accepts_its_values(values: dict) -> None:
    assert values["runLauncher"]["type"] == "K8sRunLauncher"
    given = values["runLauncher"]["config"]["k8sRunLauncher"]
    config = {
        "image_pull_policy": given["imagePullPolicy"],
        "load_incluster_config": given["loadInclusterConfig"],
        "env_config_maps": [source["name"] for source in given["envConfigMaps"]],
        "env_secrets": [source["name"] for source in given["envSecrets"]],
        "env_vars": given["envVars"],
        "volumes": given["volumes"],
        "volume_mounts": given["volumeMounts"],
        "fail_pod_on_run_failure": given["failPodOnRunFailure"],
        "resources": given["resources"],
        "security_context": given["securityContext"],
        "only_allow_user_defined_k8s_config_fields": snake_case(given["onlyAllowUserDefinedK8sConfigFields"]),
        "run_k8s_config": {
            "pod_spec_config": given["runK8sConfig"]["podSpecConfig"],
            "job_spec_config": given["runK8sConfig"]["jobSpecConfig"],
        },
        "service_account_name": "dagster",
        "instance_config_map": "dagster-instance",
        "dagster_home": "/opt/dagster/dagster_home",
    }
    result = validate_config(K8sRunLauncher.config_type(), config)
    assert result.success, result.errors


def test_the_code_server_is_that_of_one_machine(values: dict) -> None:
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    commands = platform.commands(
        host=EVERYWHERE, dagster_port=8080, api_port=8000, code_port=deployment["port"], workspace="workspace.yaml"
    )
    # The chart puts `dagster api grpc -h 0.0.0.0 -p <port>` before the arguments.
    assert commands["code-server"][-2:] == deployment["dagsterApiGrpcArgs"]


def test_everything_uses_one_image(values: dict) -> None:
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    image = deployment["image"]
    assert values["dagsterWebserver"]["image"] == values["dagsterDaemon"]["image"] == image
    documents = list(yaml.safe_load_all((FOLDER / "api.yaml").read_text()))
    containers = [
        container
        for document in documents
        if document["kind"] in {"Job", "Deployment"}
        for container in document["spec"]["template"]["spec"]["containers"]
    ]
    assert {container["image"] for container in containers} == {f"{image['repository']}:{image['tag']}"}


def test_the_driver_of_dagsters_database_is_named(values: dict) -> None:
    assert values["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"


def test_the_api_is_that_of_one_machine() -> None:
    documents = {document["kind"]: document for document in yaml.safe_load_all((FOLDER / "api.yaml").read_text())}
    (container,) = documents["Deployment"]["spec"]["template"]["spec"]["containers"]
    commands = platform.commands(host=EVERYWHERE, dagster_port=8080, api_port=8000, code_port=1, workspace="w")
    assert container["command"] == commands["api"]
    assert documents["Deployment"]["spec"]["selector"]["matchLabels"] == documents["Service"]["spec"]["selector"]


def test_no_pod_has_more_rights_than_it_needs(values: dict) -> None:
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    pods = [
        (part["podSecurityContext"], part["securityContext"])
        for part in (values["dagsterWebserver"], values["dagsterDaemon"], deployment)
    ]
    pods.append((launcher["runK8sConfig"]["podSpecConfig"]["securityContext"], launcher["securityContext"]))
    for document in yaml.safe_load_all((FOLDER / "api.yaml").read_text()):
        if document["kind"] in {"Job", "Deployment"}:
            spec = document["spec"]["template"]["spec"]
            assert spec["automountServiceAccountToken"] is False
            pods += [(spec["securityContext"], container["securityContext"]) for container in spec["containers"]]
    assert len(pods) == 6
    for pod, container in pods:
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] == pod["runAsGroup"] == 10001
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert "--uid 10001" in (ROOT / "docker" / "Dockerfile").read_text()


@pytest.mark.parametrize(
    ("tag", "allowed"),
    [
        ({"container_config": {"resources": {"limits": {"memory": "1Gi"}}}}, True),
        ({"container_config": {"image": "theirs"}}, False),
        ({"container_config": {"command": ["sh"]}}, False),
        ({"container_config": {"env": [{"name": "A", "value": "b"}]}}, False),
        ({"container_config": {"security_context": {"privileged": True}}}, False),
        ({"pod_spec_config": {"service_account_name": "admin"}}, False),
        ({"pod_spec_config": {"volumes": [{"name": "a", "host_path": {"path": "/"}}]}}, False),
    ],
)
def test_tags_of_a_run_choose_nothing_but_its_resources(values: dict, tag: dict, allowed: bool) -> None:
    """What Dagster makes of the tag `dagster-k8s/config`, which anybody may send who may launch a run."""
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    fields: Any = snake_case(launcher["onlyAllowUserDefinedK8sConfigFields"])
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    assert deployment["includeConfigInLaunchedRuns"] == {"enabled": False}
    context = K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(tag))
    if allowed:
        context.validate_user_k8s_config_for_run(fields, None)
    else:
        with pytest.raises(Exception, match="violated the allowed list"):
            context.validate_user_k8s_config_for_run(fields, None)


def test_pages_are_reached_from_the_ingress_only(values: dict) -> None:
    policies = {
        document["metadata"]["name"]: document["spec"]
        for document in yaml.safe_load_all((FOLDER / "api.yaml").read_text())
        if document["kind"] == "NetworkPolicy"
    }
    assert policies["broker-closed"]["podSelector"] == {}
    assert policies["broker-closed"]["ingress"] == [{"from": [{"podSelector": {}}]}]
    ports = {"broker-api": 8000, "broker-webserver": values["dagsterWebserver"]["service"]["port"]}
    for name, port in ports.items():
        (rule,) = policies[name]["ingress"]
        assert rule["ports"] == [{"protocol": "TCP", "port": port}]
        assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"broker-assets/ingress": "true"}}}]


def test_the_api_has_a_secret_of_its_own() -> None:
    documents = {document["kind"]: document for document in yaml.safe_load_all((FOLDER / "api.yaml").read_text())}
    (container,) = documents["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "broker-api"}}]
