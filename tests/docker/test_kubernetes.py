"""The manifests: valid, whole, and pods that agree with one another, with those of the runs and with Compose."""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import UserDefinedDagsterK8sConfig
from dagster_private import job_of_file
from kubernetes_api import Cluster, image_variables, kubernetes_api
from kubernetes_objects import Manifest, one, pod, problems, read, rendered, workloads
from setting_names import setting_variables

from broker_assets.dagster_internals import LaunchRunContext, WorkerStatus
from broker_assets.local import jars, platform
from broker_assets.local.instance import merge_sections
from broker_assets.resources.run_containers import OF_SERVICES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker" / "kubernetes"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside a container
OURS = ("prepare", "code-server", "daemon", "webserver", "api")
IMAGE = "broker-assets:0.1.0"


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    return rendered(FOLDER)


@pytest.fixture(scope="module")
def with_readers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who wants the listeners for readers."""
    docker = tmp_path_factory.mktemp("readers") / "docker"
    shutil.copytree(ROOT / "docker", docker)
    chosen = docker / "kubernetes" / "kustomization.yaml"
    text = chosen.read_text()
    assert "# components: [readers]" in text
    chosen.write_text(text.replace("# components: [readers]", "components: [readers]"))
    return chosen.parent


@pytest.fixture(scope="module")
def secrets() -> list[Manifest]:
    return read(FOLDER / "secrets.example.yaml")


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())


def of(manifests: list[Manifest], kind: str) -> dict[str, Any]:
    """Objects of a kind by name."""
    return {entry["metadata"]["name"]: entry for entry in manifests if entry["kind"] == kind}


def container(manifests: list[Manifest], name: str) -> Manifest:
    """The main container of a workload."""
    found: Manifest = pod(workloads(manifests)[name])["containers"][0]
    return found


# Valid and whole ------------------------------------------------------------------------------------------------------


def test_every_object_is_as_kubernetes_wants_it(manifests: list[Manifest], secrets: list[Manifest]) -> None:
    for manifest in [*manifests, *secrets]:
        if manifest["kind"] != "Issuer":
            assert problems(manifest) == [], manifest["metadata"]["name"]
    # Of cert-manager, which is in no package.
    acme = of(manifests, "Issuer")["letsencrypt"]["spec"]["acme"]
    assert set(acme) == {"server", "email", "privateKeySecretRef", "solvers"}
    assert acme["solvers"] == [{"http01": {"ingress": {"ingressClassName": "nginx"}}}]


def test_what_kubernetes_would_refuse_is_found(manifests: list[Manifest]) -> None:
    wrong = rendered(FOLDER)
    api = of(wrong, "Deployment")["api"]
    pod(api)["containers"][0]["resorces"] = {}
    api["spec"]["replicas"] = "two"
    del api["spec"]["selector"]
    assert problems(api) == [
        "Deployment.spec.template.spec.containers[0]: V1Container has no resorces",
        "Deployment.spec.replicas: 'two' is no int",
        "Deployment.spec: Invalid value for `selector`, must not be `None`",
    ]


def test_kustomize_makes_the_same_of_it(manifests: list[Manifest], with_readers: Path) -> None:
    programs = {"kustomize": ["build"], "kubectl": ["kustomize"]}
    program = next(([path, *words] for name, words in programs.items() if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("neither kustomize nor kubectl is installed")

    def by_name(found: list[Manifest]) -> dict[tuple[str, str], Manifest]:
        return {(entry["kind"], entry["metadata"]["name"]): entry for entry in found}

    for folder, ours in ((FOLDER, manifests), (with_readers, rendered(with_readers))):
        done = subprocess.run([*program, str(folder)], capture_output=True, text=True, check=True)
        assert by_name(list(yaml.safe_load_all(done.stdout))) == by_name(ours)


def test_everything_starts_in_an_empty_namespace(manifests: list[Manifest], secrets: list[Manifest]) -> None:
    """What one object names is another one of these, of the secrets or of the cluster."""
    names = {kind: set(of([*manifests, *secrets], kind)) for kind in ("ConfigMap", "Secret", "ServiceAccount")}
    names["PersistentVolumeClaim"] = set(of(manifests, "PersistentVolumeClaim"))
    assert set(workloads(manifests)) == {*OURS, "backup", "postgres", "kafka", "proxy"}
    for name, workload in workloads(manifests).items():
        spec = pod(workload)
        claims = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        volumes = {volume["name"] for volume in spec.get("volumes", [])} | claims
        for volume in spec.get("volumes", []):
            for source in [volume, *volume.get("projected", {}).get("sources", [])]:
                if "configMap" in source:
                    assert source["configMap"]["name"] in names["ConfigMap"], name
                if "secret" in source:
                    assert source["secret"]["name"] in names["Secret"], name
                if "persistentVolumeClaim" in source:
                    assert source["persistentVolumeClaim"]["claimName"] in names["PersistentVolumeClaim"], name
        for entry in [*spec.get("initContainers", []), *spec["containers"]]:
            assert {mount["name"] for mount in entry["volumeMounts"]} <= volumes, name
            for source in entry.get("envFrom", []):
                assert source.get("configMapRef", {"name": "broker-settings"})["name"] in names["ConfigMap"]
                assert source.get("secretRef", {"name": "broker-assets"})["name"] in names["Secret"]
        assert spec.get("serviceAccountName", "dagster") in names["ServiceAccount"]
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert workload["kind"] == "Job" or workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
        for entry in of(manifests, "Service").values():
            if entry["spec"]["selector"].items() <= labels.items():
                opened = {port["containerPort"] for port in spec["containers"][0]["ports"]}
                assert {port["port"] for port in entry["spec"]["ports"]} <= opened
    for entry in [*of(manifests, "PodDisruptionBudget").values(), *of(manifests, "NetworkPolicy").values()]:
        spec = entry["spec"]
        wanted = (spec["podSelector"] if "podSelector" in spec else spec["selector"]).get("matchLabels", {})
        apps = {workload["spec"]["template"]["metadata"]["labels"]["app"] for workload in workloads(manifests).values()}
        assert wanted.get("app", "api") in apps
    for rule in of(manifests, "Ingress")["broker"]["spec"]["rules"]:
        (path,) = rule["http"]["paths"]
        ports = of(manifests, "Service")["proxy"]["spec"]["ports"]
        assert path["backend"]["service"]["port"]["name"] in {port["name"] for port in ports}


def test_certificates_are_renewed_for_each_name_that_is_served(manifests: list[Manifest]) -> None:
    ingress = of(manifests, "Ingress")["broker"]
    issuer = ingress["metadata"]["annotations"]["cert-manager.io/issuer"]
    assert issuer in of(manifests, "Issuer")
    hosts = {rule["host"] for rule in ingress["spec"]["rules"]}
    assert {host for tls in ingress["spec"]["tls"] for host in tls["hosts"]} == hosts
    served = of(manifests, "ConfigMap")["broker-settings"]["data"]["BROKER_SERVER__PUBLIC_HOSTS"]
    assert set(yaml.safe_load(served)) == hosts


def test_every_pod_is_watched_bounded_and_without_rights(manifests: list[Manifest]) -> None:
    for name, workload in workloads(manifests).items():
        spec = pod(workload)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["enableServiceLinks"] is False, name
        assert spec["automountServiceAccountToken"] is (name in {"daemon", "webserver"}), name
        for entry in [*spec.get("initContainers", []), *spec["containers"]]:
            assert entry["securityContext"]["allowPrivilegeEscalation"] is False
            assert entry["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= entry["resources"]["requests"].keys(), name
            assert "memory" in entry["resources"]["limits"], name
        if workload["kind"] != "Job":
            assert "livenessProbe" in spec["containers"][0], name
            assert "readinessProbe" in spec["containers"][0] or name in {"daemon", "backup"}, name
    assert (
        f"--uid {pod(workloads(manifests)['api'])['securityContext']['runAsUser']}"
        in (ROOT / "docker" / "Dockerfile").read_text()
    )
    scaled = of(manifests, "HorizontalPodAutoscaler")["api"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == "api"
    assert scaled["minReplicas"] >= 2
    assert "replicas" not in workloads(manifests)["api"]["spec"]  # each update would undo what was scaled
    assert workloads(manifests)["daemon"]["spec"]["strategy"] == {"type": "Recreate"}


def test_who_reaches_whom_is_as_in_compose(manifests: list[Manifest], compose: Any) -> None:
    """Of the services of both: a policy admits those, and only those, that share a network there."""
    labels = {name: one["spec"]["template"]["metadata"]["labels"] for name, one in workloads(manifests).items()}
    policies = of(manifests, "NetworkPolicy")
    assert policies["closed"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    members = {
        network: {name for name, service in compose["services"].items() if network in service["networks"]} & set(labels)
        for network in compose["networks"]
    }

    def admitted(server: str) -> set[str]:
        found: set[str] = set()
        for rule in policies[server]["spec"]["ingress"]:
            for peer in rule["from"]:
                selector = peer.get("podSelector", {"matchLabels": {"app": ""}})
                wanted = selector.get("matchLabels", {}).items()
                choices = {value for term in selector.get("matchExpressions", []) for value in term["values"]}
                found |= {
                    name
                    for name, own in labels.items()
                    if wanted <= own.items() and (not choices or own["app"] in choices)
                }
        return found

    assert admitted("postgres") == members["database"] - {"postgres"}
    assert admitted("kafka") - {"kafka"} == members["streams"] - {"kafka"}
    assert admitted("code-server") == members["code"] - {"code-server"}
    assert admitted("webserver") == {"proxy"}
    assert admitted("api") == {"proxy"}
    assert admitted("proxy") == set()


def test_listeners_for_readers_are_those_of_compose(
    with_readers: Path, manifests: list[Manifest], secrets: list[Manifest]
) -> None:
    """Whose properties are those of one machine (`test_compose.py`), which `delivery/test_readers.py` runs."""
    found = rendered(with_readers)
    for manifest in found:
        if manifest["kind"] != "Issuer":
            assert problems(manifest) == [], manifest["metadata"]["name"]
    kafka = container(found, "kafka")
    compose = yaml.safe_load((ROOT / "docker" / "compose.readers.yaml").read_text())["services"]["kafka"]["environment"]
    wanted = {
        name: value.replace("${KAFKA_PASSWORD:?}", "$(OWN_PASSWORD)").replace(
            "${READERS_HOST:-localhost}", "$(READERS_HOST)"
        )
        for name, value in compose.items()
    }
    given = {entry["name"]: entry.get("value") for entry in kafka["env"]}
    assert {name: given[name] for name in wanted} == wanted
    before = {entry["name"]: entry["value"] for entry in container(manifests, "kafka")["env"]}
    assert given == before | wanted | {"READERS_HOST": None, "OWN_PASSWORD": None}
    # Kubernetes puts in what is further up in the list, and leaves other names as they are.
    for number, entry in enumerate(kafka["env"]):
        named = set(re.findall(r"\$\((\w+)\)", entry.get("value", "")))
        assert named <= {earlier["name"] for earlier in kafka["env"][:number]}, entry["name"]

    settings = of(found, "ConfigMap")["broker-settings"]["data"]
    added = settings.keys() - of(manifests, "ConfigMap")["broker-settings"]["data"].keys()
    assert added - {"READERS_HOST"} <= set(setting_variables())
    for which in ("PUBLIC", "PRIVATE"):
        assert settings[f"BROKER_DELIVERY__READERS__{which}"].partition(":")[0] == settings["READERS_HOST"]
    for entry in kafka["env"][:2]:
        (source,) = entry["valueFrom"].values()
        assert source["name"] in {*of(found, "ConfigMap"), *of(secrets, "Secret")}
        assert source["key"] in {"READERS_HOST", "BROKER_KAFKA__PASSWORD"}

    service = of(found, "Service")["kafka-readers"]["spec"]
    labels = workloads(found)["kafka"]["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    opened = {port["port"] for port in service["ports"]}
    assert opened == {9094, 9095}
    assert opened < {port["containerPort"] for port in kafka["ports"]}
    policy = of(found, "NetworkPolicy")["kafka-readers"]["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    (rule,) = policy["ingress"]
    assert ({port["port"] for port in rule["ports"]}, "from" in rule) == (opened, False)

    changed = {"kafka", "broker-settings", "kafka-readers"}

    def others(of_all: list[Manifest]) -> list[Manifest]:
        return [entry for entry in of_all if entry["metadata"]["name"] not in changed or entry["kind"] == "Secret"]

    assert others(found) == others(manifests)


# Pods that agree ------------------------------------------------------------------------------------------------------


def test_services_are_the_processes_of_one_machine(manifests: list[Manifest], compose: Any) -> None:
    commands = platform.commands(
        host=EVERYWHERE, dagster_port=3000, api_port=8000, code_port=4000, workspace="workspace.yaml"
    )
    commands["code-server"][:3] = ["dagster", "api", "grpc"]
    for name, command in commands.items():
        found = container(manifests, name)
        assert found["args"] == command
        assert "command" not in found  # the entry point of the image sets the umask
    assert container(manifests, "backup")["args"] == compose["services"]["backup"]["command"]
    for name in ("postgres", "kafka", "proxy"):
        assert container(manifests, name)["image"] == compose["services"][name]["image"]
    assert container(manifests, "kafka")["image"].endswith(jars.kafka_version())
    assert container(manifests, "postgres")["args"] == compose["services"]["postgres"]["command"]


def test_settings_are_those_of_compose(manifests: list[Manifest], secrets: list[Manifest], compose: Any) -> None:
    known = {*setting_variables(), *OF_SERVICES, "BROKER_SETTINGS"}
    settings = of(manifests, "ConfigMap")["broker-settings"]["data"]
    by_secret = {name: entry["stringData"] for name, entry in of(secrets, "Secret").items()}
    for name in ("daemon", "api", "webserver", "prepare"):
        given = set(settings)
        for source in container(manifests, name)["envFrom"]:
            given |= set(by_secret.get(source.get("secretRef", {}).get("name"), ()))
        given |= {entry["name"] for entry in container(manifests, name).get("env", ())}
        ours = {key for key in given if key.startswith("BROKER_") and key != "BROKER_NAMESPACE"}
        assert ours <= known, name
        of_compose = set(compose["services"][name]["environment"])
        optional = {"BROKER_ACCESS__EARLIER_SIGNING_KEYS"}
        assert {key for key in of_compose if key.startswith("BROKER_")} - optional <= ours, name
    urls = [name for name, value in by_secret["broker-api"].items() if "broker:" in value]
    assert urls == [], "the web application gets no password of the owner"


@dataclass
class Launched:
    """The cluster, the instance whose launcher uses it, and the variables of the image."""

    cluster: Cluster
    instance: DagsterInstance
    image: dict[str, str]
    folder: Path

    def launch(self) -> str:
        """Launch a run as the daemon does; its identifier."""
        origin = job_of_file(self.folder / "launched.py", "launched")
        repository = origin.repository_origin._replace(container_image=IMAGE)
        origin = origin._replace(repository_origin=repository)
        run = DagsterRun(job_name="launched", run_id=str(uuid.uuid4()), job_code_origin=origin)
        self.instance.add_run(run)
        self.instance.run_launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
        return run.run_id


JOB = """
from pathlib import Path

from dagster import job, op

from broker_assets.settings import load_settings


@op
def writes():
    settings = load_settings()
    (settings.home / "seen").write_text(f"{settings.drain.batch_max} {settings.tns.key.get_secret_value()}")


@job
def launched():
    writes()
"""


@pytest.fixture(scope="module")
def module_dagster_url(postgres: Any, new_database: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """An empty database for Dagster."""
    with new_database() as name:
        yield postgres.dagster_url(name)


@pytest.fixture(scope="module")
def launched(
    module_dagster_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Launched]:
    """A cluster with our objects, whose database is that of the tests."""
    folder = tmp_path_factory.mktemp("cluster")
    objects = [*rendered(FOLDER), *read(FOLDER / "secrets.example.yaml")]
    one(objects, {"kind": "ConfigMap", "name": "broker-settings"})["data"] |= {
        "BROKER_HOME": str(folder), "BROKER_SETTINGS": str(folder / "empty.toml"), "BROKER_DRAIN__BATCH_MAX": "123",
    }  # fmt: skip
    one(objects, {"kind": "Secret", "name": "broker-assets"})["stringData"] |= {
        "DAGSTER_PG_URL": module_dagster_url, "BROKER_TNS__KEY": "secret of TNS",
    }  # fmt: skip
    (folder / "launched.py").write_text(JOB)
    (folder / "empty.toml").touch()
    instance = yaml.safe_load((FOLDER / "dagster.yaml").read_text())
    with kubernetes_api(objects) as cluster, pytest.MonkeyPatch.context() as patch:
        # Not in a pod: the client finds the server by a file instead of the folder of the service account.
        instance["run_launcher"]["config"] |= {
            "load_incluster_config": False, "kubeconfig_file": str(cluster.kubeconfig(folder)),
        }  # fmt: skip
        (folder / "dagster.yaml").write_text(yaml.safe_dump(instance))
        patch.setenv("DAGSTER_PG_URL", module_dagster_url)
        patch.setenv("BROKER_NAMESPACE", "observatory")
        with DagsterInstance.from_config(str(folder)) as dagster:
            image = image_variables(folder) | {"BROKER_NAMESPACE": "observatory"}
            yield Launched(cluster, dagster, image, folder)


def _sources(spec: Manifest, entry: Manifest) -> dict[str, Any]:
    """What is mounted where: path in the container → part of the volume and the volume without its name."""
    volumes = {
        volume["name"]: {key: value for key, value in volume.items() if key != "name"} for volume in spec["volumes"]
    }
    return {
        mount["mountPath"]: (mount.get("subPath"), volumes[mount["name"]]) for mount in entry["volumeMounts"]
    }  # fmt: skip


@pytest.mark.database
def test_a_run_gets_what_the_services_get_and_runs(launched: Launched, manifests: list[Manifest]) -> None:
    run_id = launched.launch()
    ((name, job),) = launched.cluster.jobs.items()
    assert launched.cluster.refused == []
    assert job["metadata"]["name"] == f"dagster-run-{run_id}"
    spec = job["spec"]["template"]["spec"]
    (run,) = spec["containers"]
    own = pod(workloads(manifests)["daemon"])
    # Backups are for those who make them: they hold the hashes of passwords.
    backups = {"/var/lib/backups": (None, {"persistentVolumeClaim": {"claimName": "broker-backups"}})}
    keeper = pod(workloads(manifests)["backup"])
    assert _sources(keeper, keeper["containers"][0]) == _sources(spec, run)
    assert keeper["containers"][0]["envFrom"] == run["envFrom"]
    for service in OURS:
        other, entry = pod(workloads(manifests)[service]), container(manifests, service)
        assert entry["image"] == run["image"] == IMAGE
        assert _sources(other, entry) | backups == _sources(spec, run), service
        assert other["securityContext"] == spec["securityContext"], service
        assert entry["securityContext"] == run["securityContext"], service
        sources = [source for source in entry["envFrom"] if source != {"secretRef": {"name": "broker-roles"}}]
        if service == "api":  # a secret of its own instead
            assert sources == [run["envFrom"][0], {"secretRef": {"name": "broker-api"}}]
        else:
            assert sources == run["envFrom"], service
        for waiting in other.get("initContainers", []):
            assert waiting["envFrom"] == entry["envFrom"]
            assert waiting["volumeMounts"] == entry["volumeMounts"]
    image = {entry["name"]: entry["value"] for entry in container(manifests, "code-server")["env"]}
    assert image == {"DAGSTER_CURRENT_IMAGE": IMAGE}
    assert spec["serviceAccountName"] == "run"
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is own["enableServiceLinks"] is False
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels["broker-assets/data"] == "true"
    assert run["resources"]["limits"] == {"memory": "3Gi"}

    done = launched.cluster.run(name, launched.image)
    assert done.returncode == 0, done.stderr[-3000:]
    found = launched.instance.get_run_by_id(run_id)
    assert found is not None
    assert found.status == DagsterRunStatus.SUCCESS, done.stdout[-3000:]
    assert (launched.folder / "seen").read_text() == "123 secret of TNS"


@pytest.mark.database
def test_a_pod_that_is_gone_is_noticed_and_a_run_is_ended(launched: Launched) -> None:
    launcher = launched.instance.run_launcher
    run_id = launched.launch()
    run = launched.instance.get_run_by_id(run_id)
    assert run is not None
    job = launched.cluster.jobs[f"dagster-run-{run_id}"]
    assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
    job["status"] = {"failed": 1}
    assert launcher.check_run_worker_health(run).status == WorkerStatus.FAILED
    job["status"] = {"active": 1}
    assert launcher.terminate(run_id) is True
    assert [name for name, _ in launched.cluster.deleted] == [f"dagster-run-{run_id}"]
    assert f"dagster-run-{run_id}" not in launched.cluster.jobs


@pytest.mark.database
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
def test_tags_of_a_run_choose_nothing_but_its_resources(launched: Launched, tag: dict, allowed: bool) -> None:
    """What Dagster makes of the tag `dagster-k8s/config`, which anybody may send who may launch a run."""
    fields = launched.instance.run_launcher.only_allow_user_defined_k8s_config_fields  # type: ignore[attr-defined]
    context = K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(tag))
    if allowed:
        context.validate_user_k8s_config_for_run(fields, None)
    else:
        with pytest.raises(Exception, match="violated the allowed list"):
            context.validate_user_k8s_config_for_run(fields, None)


def test_the_instance_is_that_of_one_machine_but_for_the_launcher() -> None:
    base = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    launcher = yaml.safe_load((FOLDER / "run_launcher.yaml").read_text())
    made = yaml.safe_load((FOLDER / "dagster.yaml").read_text())
    assert made == merge_sections(base, launcher), (
        "python -m broker_assets.local.instance docker/kubernetes docker/kubernetes/run_launcher.yaml"
    )


def test_the_daemon_may_ask_for_what_its_launcher_asks(manifests: list[Manifest]) -> None:
    binding = of(manifests, "RoleBinding")["dagster"]
    assert {subject["name"] for subject in binding["subjects"]} == {"dagster"}
    rules = of(manifests, "Role")["dagster"]["rules"]
    allowed = {
        (resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]
    }  # fmt: skip
    assert {("jobs", "create"), ("jobs", "delete"), ("jobs", "get"), ("pods", "list"), ("pods/log", "get")} <= allowed
    assert not any(resource in {"secrets", "configmaps", "*"} or verb == "*" for resource, verb in allowed)
