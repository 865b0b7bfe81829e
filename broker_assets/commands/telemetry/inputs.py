"""The inputs of products besides packets, from the options of `broker-assets telemetry process`."""

from __future__ import annotations

import logging
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from broker_assets.commands.terminal import echo

if TYPE_CHECKING:
    from broker_assets.telemetry.products.levels.level0 import Inputs
    from broker_assets.telemetry.products.programs.configured import Programs

logger = logging.getLogger(__name__)


def read_inputs(
    idb: Path,
    idb_version: str | None,
    configuration: Path,
    spice_dir: Path | None,
    spice_file: list[Path] | None,
    soop_dir: Path | None,
    rid_lut_file: Path | None,
    versions: dict[str, int],
) -> Inputs:
    """Load everything besides packets; an option that is unusable ends the command.

    Parameters
    ----------
    idb, configuration : Path
        Folders.
    idb_version : str or None
        Database version to use for all times.
    spice_dir : Path or None
        Folder of kernels.
    spice_file : list of Path or None
        Individual kernels instead.
    soop_dir, rid_lut_file : Path or None
        Planning files, table of requests.
    versions : dict
        Processing versions that override those in the code, by ``level/kind``.

    Raises
    ------
    typer.Exit
        With code 2 if an input cannot be used.
    """
    from broker_assets.telemetry.idb.database import DatabaseError
    from broker_assets.telemetry.idb.database_versions import InstrumentDatabases
    from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
    from broker_assets.telemetry.inputs.kernels import Kernels
    from broker_assets.telemetry.inputs.requests import RequestTable
    from broker_assets.telemetry.inputs.soop import Planning
    from broker_assets.telemetry.products.levels.level0 import Inputs

    try:
        kernels = Kernels.of_files(spice_file) if spice_file else None
        if kernels is None and spice_dir is not None:
            kernels = Kernels.of_folder(spice_dir)
        if kernels is None:
            logger.warning("level L1 cannot be made without SPICE kernels")
        found = InstrumentConfiguration(configuration)
        logger.info("instrument configuration %s", found.version)
        return Inputs(
            InstrumentDatabases(idb, forced=idb_version),
            found,
            kernels,
            RequestTable() if rid_lut_file is None else RequestTable.read(rid_lut_file),
            Planning() if soop_dir is None else Planning.of_folder(soop_dir),
            versions,
        )
    except (DatabaseError, OSError, ValueError) as error:
        named = isinstance(error, OSError) and error.filename is not None
        echo(f"error: {f'{error.filename}: {error.strerror}' if named else error}", err=True)  # type: ignore[union-attr]
        raise typer.Exit(2) from error


def find_programs(
    ecc_path: Path | None, aspect_command: str | None, idl_enabled: bool | None, idl_gsw_path: Path | None
) -> Programs:
    """Find the third-party programs; a program that is named but missing ends the command.

    Raises
    ------
    typer.BadParameter
        If a named program is missing.
    """
    from broker_assets.telemetry.products.programs.aspect_solution import AspectSolver
    from broker_assets.telemetry.products.programs.configured import Programs
    from broker_assets.telemetry.products.programs.energy_calibration import EnergyCalibration

    calibration = None if ecc_path is None else EnergyCalibration(ecc_path)
    if calibration is not None and calibration.missing():
        raise typer.BadParameter(f"{ecc_path} has no {', '.join(calibration.missing())}", param_hint="--ecc-path")
    try:
        command = tuple(shlex.split(aspect_command or ""))
    except ValueError as error:
        raise typer.BadParameter(f"not the line of a command: {error}", param_hint="--aspect-command") from error
    if idl_enabled and not command:
        raise typer.BadParameter("requires --aspect-command, the bridge to IDL", param_hint="--idl-enabled")
    if idl_gsw_path is not None and not idl_gsw_path.is_dir():
        raise typer.BadParameter(f"{idl_gsw_path} is not a folder", param_hint="--idl-gsw-path")
    if idl_enabled is False or not command:
        return Programs(calibration)
    if shutil.which(command[0]) is None:
        raise typer.BadParameter(f"the program {command[0]} does not exist", param_hint="--aspect-command")
    given = () if idl_gsw_path is None else ("env", f"STX_GSW_PATH={idl_gsw_path.absolute()}")
    return Programs(calibration, AspectSolver((*given, *command)))


def processing_versions(given: list[str] | None) -> dict[str, int]:
    """Parse processing versions by ``level/kind``.

    Examples
    --------
    >>> processing_versions(["L1/ql-lightcurve=3"])
    {'L1/ql-lightcurve': 3}

    Raises
    ------
    typer.BadParameter
        If a text has another form.
    """
    if not given:
        return {}
    from broker_assets.telemetry.archive.code_versions import is_default_kind, versioned_kinds

    found = {}
    for text in given:
        match = re.fullmatch(r"([A-Z0-9]+)/([a-z0-9-]+)=([0-9]{1,2})", text)
        if match is None:
            raise typer.BadParameter(f"{text!r} is not LEVEL/KIND=N", param_hint="--processing-version")
        level, stem, number = match.groups()
        if stem not in versioned_kinds(level) and not is_default_kind(level, stem):
            known = ", ".join(sorted(versioned_kinds(level))) or "none; levels are L0, L1, CAL, ANC and LL03"
            raise typer.BadParameter(f"{level} has no kind {stem}; known: {known}", param_hint="--processing-version")
        found[f"{level}/{stem}"] = int(number)
    return found
