"""The part of Kubernetes' API that is needed to launch runs, over HTTP on loopback, with a node that can run a pod.

Jobs are checked as by Kubernetes (`kubernetes_objects`). A running pod is a process whose environment is made from the
ConfigMaps and Secrets that its container names, as on a node.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from kubernetes_objects import Manifest, problems
from loopback import LoopbackServer, QuietHandler

TOKEN = "token-of-the-daemon"
JOBS = re.compile(r"/apis/batch/v1/namespaces/([^/]+)/jobs(?:/([^/]+)(?:/status)?)?")
PODS = re.compile(r"/api/v1/namespaces/([^/]+)/pods")


@dataclass
class Cluster:
    """Its objects, jobs and what was asked."""

    objects: list[Manifest]
    port: int = 0
    jobs: dict[str, Manifest] = field(default_factory=dict)
    deleted: list[tuple[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def kubeconfig(self, folder: Path) -> Path:
        """A file by which clients find this server."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = folder / "kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return path

    def answer(self, method: str, path: str, token: str, body: Any) -> tuple[int, Any]:
        """Status and content of an answer."""
        parts = urlsplit(path)
        if token != f"Bearer {TOKEN}":
            return 401, _status(401, "Unauthorized")
        job, pods = JOBS.fullmatch(parts.path), PODS.fullmatch(parts.path)
        if job is not None and method == "POST" and job[2] is None:
            found = problems({"apiVersion": "batch/v1", "kind": "Job", **body})
            if found:
                self.refused += found
                return 422, _status(422, "; ".join(found))
            name = body["metadata"]["name"]
            if name in self.jobs:
                return 409, _status(409, f"jobs.batch {name!r} already exists")
            self.jobs[name] = body | {"status": {"active": 1}}
            return 201, self.jobs[name]
        if job is not None and job[2] in self.jobs:
            if method == "DELETE":
                self.deleted.append((job[2], body | parse_qs(parts.query) if body else parse_qs(parts.query)))
                del self.jobs[job[2]]
                return 200, {"kind": "Status", "apiVersion": "v1", "status": "Success"}
            return 200, self.jobs[job[2]]
        if pods is not None and method == "GET":
            return 200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []}
        return 404, _status(404, f"{method} {path} not found")

    def environment(self, container: Manifest) -> dict[str, str]:
        """Variables of a container, as a node makes them."""
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            kind, reference = next((kind, one) for kind, one in source.items() if kind.endswith("Ref"))
            found |= self._data({"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind], reference["name"])
        return found | {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}

    def run(self, name: str, image: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run the pod of a job to its end; `image` are the variables that its image brings."""
        (container,) = self.jobs[name]["spec"]["template"]["spec"]["containers"]
        program = [sys.executable, "-m", "dagster", *container["args"][1:]]
        done = subprocess.run(
            program, env=image | self.environment(container), capture_output=True, text=True, timeout=120
        )
        self.jobs[name]["status"] = {"succeeded": 1} if done.returncode == 0 else {"failed": 1}
        return done

    def _data(self, kind: str, name: str) -> dict[str, str]:
        (found,) = (one for one in self.objects if (one["kind"], one["metadata"]["name"]) == (kind, name))
        data: dict[str, str] = found.get("data") or found.get("stringData") or {}
        return data


def _status(code: int, message: str) -> Manifest:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}


@contextmanager
def kubernetes_api(objects: list[Manifest]) -> Iterator[Cluster]:
    """A server that listens while the block runs."""
    cluster = Cluster(objects)

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            token = self.headers.get("Authorization", "")
            status, content = cluster.answer(self.command, self.path, token, json.loads(body) if body else None)
            written = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def do_POST(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

    with LoopbackServer(Handler) as server:
        cluster.port = server.port
        yield cluster


def image_variables(home: Path) -> dict[str, str]:
    """What the Dockerfile sets, for a process of this machine."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    return kept | {"DAGSTER_HOME": str(home)}
