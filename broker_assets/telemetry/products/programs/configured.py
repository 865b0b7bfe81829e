"""The third-party programs that products may need, as the settings name them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from broker_assets.settings import TelemetrySettings
from broker_assets.telemetry.products.programs.aspect_solution import AspectSolver
from broker_assets.telemetry.products.programs.energy_calibration import EnergyCalibration
from broker_assets.telemetry.products.programs.running import Runner


@dataclass(frozen=True)
class Programs:
    """Each program may be absent; errors then name the setting for it."""

    calibration: EnergyCalibration | None = None
    """For level CAL."""
    aspect: AspectSolver | None = None
    """For the aspect solution of level ANC."""

    @classmethod
    def of(cls, settings: TelemetrySettings) -> Programs:
        """The programs of the settings, started as children of this process.

        Examples
        --------
        >>> Programs.of(TelemetrySettings())
        Programs(calibration=None, aspect=None)
        """
        folder, command = settings.energy_calibration, tuple(settings.aspect_command)
        return cls(EnergyCalibration(folder) if folder else None, AspectSolver(command) if command else None)

    def run_by(self, runner: Runner) -> Programs:
        """The same programs, started another way."""
        return Programs(
            None if self.calibration is None else replace(self.calibration, runner=runner),
            None if self.aspect is None else replace(self.aspect, runner=runner),
        )
