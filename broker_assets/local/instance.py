"""The Dagster instance: its configuration and the creation of its home.

The root `dagster.yaml` of the project is used everywhere. Where runs are launched differently
(`docker/run_launcher.yaml`), a second file replaces whole top-level sections::

    python -m broker_assets.local.instance DAGSTER_HOME [OVERRIDE.yaml]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

import broker_assets
from broker_assets.local.processes import LocalPlatformError
from broker_assets.storage.atomic import replace_atomically


def project_file(name: str) -> Path:
    """A file of the project root: in the working folder if it has one, else next to the package.

    Raises
    ------
    LocalPlatformError
        If there is none; the package alone (a wheel) does not include it.
    """
    for folder in (Path.cwd(), Path(broker_assets.__file__).resolve().parents[1]):
        if (folder / name).is_file():
            return folder / name
    raise LocalPlatformError(f"{name} is neither in {Path.cwd()} nor next to the package; run this in a clone")


def merge_sections(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """Replace sections of `base` with those of `override`; the others are kept.

    Examples
    --------
    >>> merge_sections({"storage": 1, "run_launcher": {"module": "a"}}, {"run_launcher": {"module": "b"}})
    {'storage': 1, 'run_launcher': {'module': 'b'}}
    """
    return base | override


def write_instance(home: Path, override: Path | None = None) -> Path:
    """Write `dagster.yaml` to a Dagster home, which is created if absent.

    Parameters
    ----------
    home : Path
        The folder of `DAGSTER_HOME`.
    override : Path, optional
        YAML file whose sections replace those of the project's `dagster.yaml`.

    Returns
    -------
    Path
        The file written.
    """
    home.mkdir(parents=True, exist_ok=True)
    source = project_file("dagster.yaml")
    sections = yaml.safe_load(source.read_text())
    if override is not None:
        sections = merge_sections(sections, yaml.safe_load(override.read_text()))
    target = home / "dagster.yaml"
    header = f"# Made from {source.name} at every start; changes here are lost.\n"
    replace_atomically(target, header + yaml.safe_dump(sections))
    return target


def create_instance(home: Path) -> None:
    """Create Dagster's tables once, before its services start, which on an empty database would race each other."""
    from dagster import DagsterInstance

    with DagsterInstance.from_config(str(home)) as instance:
        instance.run_storage.get_runs_count()
        instance.event_log_storage.get_maximum_record_id()
        if instance.schedule_storage is not None:
            instance.schedule_storage.all_instigator_state()
        instance.upgrade()


def end_abandoned(home: Path) -> int:
    """Report the end of runs that died with an earlier platform; return their number. Call before the daemon starts."""
    from dagster import DagsterInstance

    from broker_assets.local.run_processes import end_abandoned_runs

    with DagsterInstance.from_config(str(home)) as instance:
        return len(end_abandoned_runs(instance))


def main(arguments: list[str]) -> None:
    """Write the home given on the command line."""
    home, *override = arguments
    write_instance(Path(home), Path(override[0]) if override else None)


if __name__ == "__main__":
    main(sys.argv[1:])
