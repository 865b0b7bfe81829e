"""The schema of the Compose specification, which comes with the package `check-jsonschema`."""

from __future__ import annotations

import json
from importlib.resources import files

COMPOSE_SCHEMA = json.loads((files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text())
