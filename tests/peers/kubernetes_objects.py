"""The manifests as `kubectl apply -k` would send them, checked against the models of Kubernetes' own client.

`rendered` implements the part of kustomize that our `kustomization.yaml` files use, and refuses anything else.
`problems` walks the generated models of the package `kubernetes`: unknown names, missing and wrong values.
"""

from __future__ import annotations

import copy
import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes.client as models
import yaml

Manifest = dict[str, Any]

KNOWN = {
    "apiVersion", "kind", "resources", "configMapGenerator", "generatorOptions", "images", "replacements", "components",
    "patches",
}  # fmt: skip
GENERATOR = {"apiVersion": "v1", "kind": "ConfigMap"}
MERGED_BY = {"containers": "name", "env": "name", "ports": "containerPort"}
"""Lists whose entries a patch changes or adds, by what tells them apart; other lists are replaced."""


def rendered(folder: Path) -> list[Manifest]:
    """Every object of a folder with a `kustomization.yaml`."""
    text = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(text) <= KNOWN, set(text) - KNOWN
    found: list[Manifest] = []
    for name in text.get("resources", []):
        path = folder / name
        found += rendered(path) if path.is_dir() else read(path)
    assert text.get("generatorOptions") in (None, {"disableNameSuffixHash": True})
    for generator in text.get("configMapGenerator", []):
        data = {name: (folder / name).read_text() for name in generator["files"]}
        found.append({**GENERATOR, "metadata": {"name": generator["name"]}, "data": data})
    for name in text.get("components", []):
        component = yaml.safe_load((folder / name / "kustomization.yaml").read_text())
        assert component["kind"] == "Component"
        found += rendered(folder / name)
        for patch in component.get("patches", []):
            assert set(patch) == {"path"}
            for change in read(folder / name / patch["path"]):
                _merge(one(found, {"kind": change["kind"], "name": change["metadata"]["name"]}), change)
    for image in text.get("images", []):
        for container in _containers(found):
            if container["image"] == image["name"]:
                container["image"] = f"{image['name']}:{image['newTag']}"
    for replacement in text.get("replacements", []):
        value = _at(one(found, replacement["source"]), replacement["source"]["fieldPath"])
        for target in replacement["targets"]:
            for path in target["fieldPaths"]:
                _set(one(found, target["select"]), path, value)
    return found


def read(path: Path) -> list[Manifest]:
    """The objects of a file."""
    return [entry for entry in yaml.safe_load_all(path.read_text()) if entry is not None]


def one(manifests: list[Manifest], which: dict[str, str]) -> Manifest:
    """The object of a kind and name."""
    (found,) = (
        entry for entry in manifests if (entry["kind"], entry["metadata"]["name"]) == (which["kind"], which["name"])
    )
    return found


def pod(manifest: Manifest) -> Manifest:
    """The specification of the pods of a Deployment, StatefulSet or Job."""
    found: Manifest = manifest["spec"]["template"]["spec"]
    return found


def _merge(node: Manifest, change: Manifest) -> None:
    """A strategic merge, for what our patches need of one."""
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(node.get(key), dict):
            _merge(node[key], value)
        elif key in MERGED_BY and key in node:
            by = MERGED_BY[key]
            known = {entry[by]: entry for entry in node[key]}
            changed = {entry[by] for entry in value}
            for entry in value:
                if entry[by] in known:
                    _merge(known[entry[by]], entry)
            node[key] = [known.get(entry[by], entry) for entry in value] + [
                entry for entry in node[key] if entry[by] not in changed
            ]
        else:
            node[key] = value


def workloads(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Deployments, StatefulSets and Jobs by name."""
    kinds = {"Deployment", "StatefulSet", "Job"}
    return {entry["metadata"]["name"]: entry for entry in manifests if entry["kind"] in kinds}


def _containers(manifests: list[Manifest]) -> Iterator[Manifest]:
    for workload in workloads(manifests).values():
        for kind in ("initContainers", "containers"):
            yield from pod(workload).get(kind, [])


def _steps(path: str) -> list[str]:
    return re.findall(r"\[[^]]+\]|[^.\[]+", path)


def _at(node: Any, path: str) -> Any:
    for step in _steps(path):
        node = _below(node, step)
    return node


def _below(node: Any, step: str) -> Any:
    if step.startswith("["):
        key, value = step[1:-1].split("=")
        (found,) = (entry for entry in node if entry[key] == value)
        return found
    return node[step]


def _set(node: Any, path: str, value: Any) -> None:
    *steps, last = _steps(path)
    for step in steps:
        node = _below(node, step)
    node[last] = value


def problems(manifest: Manifest) -> list[str]:
    """What Kubernetes would refuse in an object; empty if nothing.

    Kinds that the client has no model of (those of cert-manager) are not judged: their test names their entries.
    """
    version = manifest["apiVersion"].rpartition("/")[2]
    candidates = [
        name
        for name in dir(models)
        if name.lower() == f"{version}{manifest['kind']}".lower() and hasattr(getattr(models, name), "openapi_types")
    ]
    if not candidates:
        return [f"no model of {manifest['apiVersion']} {manifest['kind']}"]
    return list(_wrong(manifest, candidates[0], manifest["kind"]))


PRIMITIVE: dict[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "bool": (bool,), "float": (int, float), "object": (object,),
    "datetime": (str, datetime.datetime),
}  # fmt: skip


def _wrong(value: Any, kind: str, where: str) -> Iterator[str]:
    if kind.startswith("list["):
        if not isinstance(value, list):
            yield f"{where}: {value!r} is no list"
            return
        for number, entry in enumerate(value):
            yield from _wrong(entry, kind[5:-1], f"{where}[{number}]")
    elif kind.startswith(("dict(", "dict[")):
        if not isinstance(value, dict):
            yield f"{where}: {value!r} is no mapping"
            return
        below = kind[5:-1].split(", ", 1)[1]
        for key, entry in value.items():
            # Quantities, which may be written as numbers, are strings in the models.
            numbers = below == "str" and isinstance(entry, int) and where.endswith((".limits", ".requests"))
            yield from [] if numbers else _wrong(entry, below, f"{where}.{key}")
    elif kind in PRIMITIVE:
        if not isinstance(value, PRIMITIVE[kind]) or (kind in ("int", "float") and isinstance(value, bool)):
            yield f"{where}: {value!r} is no {kind}"
    else:
        yield from _wrong_object(value, getattr(models, kind), where)


def _wrong_object(value: Any, model: type, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where}: {value!r} is no {model.__name__}"
        return
    fields: dict[str, str] = model.attribute_map  # type: ignore[attr-defined]
    kinds: dict[str, str] = model.openapi_types  # type: ignore[attr-defined]
    attributes = {given: attribute for attribute, given in fields.items()}
    for name in value.keys() - attributes.keys():
        yield f"{where}: {model.__name__} has no {name}"
    known = {attributes[name]: entry for name, entry in value.items() if name in attributes}
    for attribute, entry in known.items():
        if entry is None:
            yield f"{where}.{fields[attribute]} says nothing"
        else:
            yield from _wrong(entry, kinds[attribute], f"{where}.{fields[attribute]}")
    try:
        model(**copy.deepcopy(known))
    except ValueError as error:
        yield f"{where}: {error}"
