"""Commands of the platform in processes of their own, forked from one that has imported what they need.

A command spends more time on imports than on a small input. How a process behaves when it is killed, or finds no space
on a disk, does not depend on how its modules were loaded.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import TimeoutExpired

APPLICATION = "broker_assets.commands.telemetry.application"
LOADED = (
    APPLICATION,
    "broker_assets.commands.telemetry.inputs",
    "broker_assets.telemetry.archive.product_archive",
    "broker_assets.telemetry.decoding.walk",
    "broker_assets.telemetry.products.levels.lightcurve_plot",
    "broker_assets.telemetry.products.programs.configured",
    "astropy.io.fits",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.dates",
    "matplotlib.figure",
)
"""Imported before the first fork."""


class ForkedCommand:
    """`broker-assets telemetry …` that runs; what it prints is in two files.

    Parameters
    ----------
    arguments : sequence of str
        After `telemetry`.
    output : Path
        `out` and `err` are appended for the names of the files with what it prints.
    largest_file : int, optional
        Bytes; the operating system refuses it to write more into one file.
    """

    def __init__(self, arguments: Sequence[str], output: Path, *, largest_file: int | None = None) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(LOADED))
        self._files = output.with_suffix(".out"), output.with_suffix(".err")
        self._process = context.Process(target=_run, args=(list(arguments), *self._files, largest_file))
        self._process.start()

    def wait(self, seconds: float) -> int:
        """Its exit code.

        Raises
        ------
        TimeoutExpired
            If it still runs after these seconds.
        """
        self._process.join(seconds)
        if self._process.exitcode is None:
            raise TimeoutExpired("broker-assets telemetry", seconds)
        return self._process.exitcode

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()

    @property
    def errors(self) -> str:
        """What it printed as errors."""
        return self._files[1].read_text(encoding="utf-8")


def _run(arguments: list[str], output: Path, errors: Path, largest_file: int | None) -> None:
    for number, path in ((1, output), (2, errors)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, number)
        os.close(descriptor)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    sys.argv = ["telemetry", *arguments]
    importlib.import_module(APPLICATION).app()
