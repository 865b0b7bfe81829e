"""Folders with the inputs of telemetry products, as a data centre delivers them."""

from __future__ import annotations

import csv
import datetime
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from broker_assets.settings import TelemetrySettings
from broker_assets.telemetry.idb.open_database import write_open_database
from broker_assets.telemetry.products.levels.level0 import Inputs

EPOCH = datetime.datetime(2000, 1, 1)


@dataclass(frozen=True)
class InputFolders:
    """What telemetry settings name."""

    root: Path
    leap_seconds: Path
    clock: str
    """Text of a clock kernel that has never drifted."""

    @classmethod
    def write(cls, root: Path, inputs: Inputs) -> InputFolders:
        """Folders with the open database, the configuration of `inputs`, and neither kernels nor plans."""
        assert inputs.kernels is not None
        leap, clock = inputs.kernels.files
        folders = cls(root, leap, clock.read_text())
        for name in ("databases", "kernels/mk", "kernels/lsk", "kernels/sclk", "planning"):
            (root / name).mkdir(parents=True)
        write_open_database(root / "databases/idb.sqlite")
        shutil.copytree(inputs.configuration.folder, root / "configuration")
        folders.write_requests([])
        return folders

    @property
    def settings(self) -> TelemetrySettings:
        """Settings that name these folders."""
        return TelemetrySettings(
            databases=self.root / "databases",
            configuration=self.root / "configuration",
            kernels=self.root / "kernels",
            planning=self.root / "planning",
            requests=self.root / "requests.csv",
        )

    def write_kernels(
        self,
        version: int,
        *,
        late: float = 0.0,
        since: datetime.datetime = EPOCH,
        kind: str = "flown",
        issued: str = "20220101",
    ) -> None:
        """A meta-kernel whose clock is so many seconds late since a time (UTC)."""
        second = (since - EPOCH).total_seconds()
        entry = f"{second * 65536:.1f} {second - 43135.816 + late:.6f} 1.0" if late else ""
        text = self.clock.replace("0.0 -43135.816 1.0 )", f"0.0 -43135.816 1.0\n {entry} )")
        folder = self.root / "kernels"
        shutil.copy(self.leap_seconds, folder / "lsk/leap.tls")
        (folder / f"sclk/clock{version}.tsc").write_text(text)
        files = f"'$K/lsk/leap.tls'\n '$K/sclk/clock{version}.tsc'"
        (folder / f"mk/solo_ANC_soc-{kind}-mk_V{version}_{issued}_001.tm").write_text(
            f"KPL/MK\n\\begindata\nPATH_VALUES = ( '..' )\nPATH_SYMBOLS = ( 'K' )\nKERNELS_TO_LOAD = ( {files} )\n"
        )

    def write_plan(self, version: int, observations: Mapping[str, tuple[str, str]]) -> None:
        """A version of the one plan: begin and end by name of the observation."""
        content = {
            "info": {"name": "plan", "internalVersion": version},
            "observations": [
                {
                    "startDate": f"{start}Z",
                    "endDate": f"{end}Z",
                    "socIds": [name],
                    "name": name,
                    "compositeId": {"obsType": "TEST"},
                }
                for name, (start, end) in observations.items()
            ],
        }
        name = f"SSTX_observation_timeline_export_V{version}.json"
        (self.root / "planning" / name).write_text(json.dumps(content))

    def write_requests(self, rows: Sequence[tuple[int, str]]) -> None:
        """The table of requests: identifier and subject."""
        with (self.root / "requests.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["_id", "unique_id", "start_utc", "duration", "type", "subject", "purpose",
                             "scaling_factor", "ior_id", "comment"])  # fmt: skip
            writer.writerows([[n, n, "2021-01-17T00:00:00", 60, "Pixel", text, "", "", "", ""] for n, text in rows])
