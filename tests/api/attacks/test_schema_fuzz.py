"""Requests made from the OpenAPI documents: none is a fault of the server, none shows what is private or inside.

A few examples of each operation; with `BROKER_TEST_FULL=1` many.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from attacked_things import SECRET
from schemathesis import GenerationMode

from broker_assets.database import engine

pytestmark = pytest.mark.database
EXAMPLES = 60 if os.environ.get("BROKER_TEST_FULL") else 2
ENDLESS = ("/events",)
INSIDE = re.compile(r"Traceback|psycopg|site-packages|/broker_assets/|PasswordHasher|postgresql\+", re.IGNORECASE)
"""What would show how the server is made."""


class _Asleep:
    """In the place of the process that runs trials, which is none of the subject."""

    def wake(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


@pytest.fixture(scope="module")
def app(ground: Any) -> Iterator[Any]:
    state = ground.app.state
    before, state.trial_process = state.trial_process, _Asleep()
    yield ground.app
    state.trial_process = before


def _of_the_victim(ground: Any) -> list[Any]:
    """What another account owns."""
    with engine.connect(ground.url, autocommit=True) as connection:
        return [
            connection.execute(f"SELECT * FROM {table} WHERE owner = 'victim' ORDER BY 1").fetchall()  # type: ignore[call-overload]
            for table in ("filters", "watchlists", "areas", "annotators", "filter_sinks")
        ]


@pytest.mark.parametrize("document", ["/api/v1/openapi.json", "/openapi.json"])
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_is_a_fault_and_nothing_leaks(app: Any, ground: Any, document: str, mode: GenerationMode) -> None:
    client = ground.program()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_dict(client.get(document).json())
    base = document.removesuffix("/openapi.json")
    before = _of_the_victim(ground)
    faults: list[str] = []
    seen: set[int] = set()
    found: Any
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path.endswith(ENDLESS) or not f"{base}{operation.path}".startswith("/api/"):
            continue

        @hypothesis.seed(3)
        @hypothesis.settings(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=False,
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )  # fmt: skip
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            asked = requests.Request(**case.as_transport_kwargs(base_url=f"http://127.0.0.1{base}")).prepare()
            own = {name: value for name, value in asked.headers.items() if name.lower() != "content-length"}
            for token in (ground.token, None):
                headers = own | ({} if token is None else {"Authorization": f"Token {token}"})
                try:
                    answer = client.request(str(asked.method), str(asked.url), content=asked.body, headers=headers)
                except httpx.InvalidURL:
                    return  # longer than the client sends
                seen.add(answer.status_code)
                text = answer.text if len(answer.content) < 1_000_000 else ""
                if answer.status_code >= 500 and answer.status_code != 503:
                    faults.append(f"{case.method} {case.formatted_path} {case.query} {case.body!r:.200}: {text[:200]}")
                elif INSIDE.search(text) or SECRET in text:
                    faults.append(f"{case.method} {case.formatted_path} shows {text[:300]}")

        try:
            ask()
        except hypothesis.errors.Unsatisfiable:
            continue  # an operation without parameters cannot be asked wrongly
    assert not faults, "\n".join(faults[:20])
    assert seen
    assert _of_the_victim(ground) == before
