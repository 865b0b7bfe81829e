"""A simulated mission: telemetry files and all other inputs of products, without any third-party data.

`write_mission` writes a folder with telemetry of some days (quick-look data of a Sun with flares, housekeeping, energy
calibration, answers to science requests), our open instrument database, a configuration repository, SPICE kernels,
planning files and the table of requests. The demonstration, the tests and the benchmarks work with it.

Modules: ``sun`` (rates of flares and background), ``quicklook``, ``housekeeping``, ``calibration`` and ``science``
(packets), ``drafts`` (how packets are packed), ``delivery`` (files, overlaps, faults), ``configuration``, ``kernels``,
``frames`` and ``planning`` (everything else), ``mission`` (the whole).
"""

from broker_assets.telemetry.simulation.delivery import Fault
from broker_assets.telemetry.simulation.kernels import write_kernels
from broker_assets.telemetry.simulation.mission import Mission, write_mission

__all__ = ["Fault", "Mission", "write_kernels", "write_mission"]
