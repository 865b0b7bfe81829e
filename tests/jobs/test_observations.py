"""A run that works on requests, and when it is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance, Definitions, RunRequest, SkipReason, build_sensor_context
from delivery_peers import mail_server
from lco_portal import TOKEN, Portal

from broker_assets.access import accounts
from broker_assets.database.engine import connect
from broker_assets.delivery.letters import send_letters
from broker_assets.jobs.observations import build_observe
from broker_assets.resources.database import Database
from broker_assets.sensors.observations import build_observations_sensor
from broker_assets.settings import Settings
from broker_assets.settings.delivery import DeliverySettings, MailSettings
from broker_assets.settings.tom import FacilitySettings, TomSettings
from broker_assets.tom.observations.facility import made
from broker_assets.tom.observations.store import ask
from broker_assets.tom.targets.fields import checked
from broker_assets.tom.targets.store import make

pytestmark = pytest.mark.database


def test_a_letter_reaches_the_observers_and_a_portal_its_request(database_url: str, tmp_path: Path) -> None:
    mail = "broker_assets.tom.observations.by_mail:ByMail"
    letters = FacilitySettings(name="Calar Alto", kind=mail, groups=["Public"], address="observer@example.org")
    with Portal() as portal, mail_server() as mailbox, connect(database_url, autocommit=True) as connection:
        lco = FacilitySettings(name="LCO", groups=["Public"], url=portal.url, token=TOKEN, archive_url=portal.url)  # type: ignore[arg-type]
        settings = Settings(home=tmp_path, tom=TomSettings(facilities=[lco, letters]))
        job = build_observe(settings)
        sensor = build_observations_sensor(job)
        definitions = Definitions(jobs=[job], sensors=[sensor], resources={"database": Database(database_url)})
        ann = accounts.add(connection, "ann", None)
        target = make(connection, "ann", checked({"name": "M 1", "ra": 83.6, "dec": 22}))
        with DagsterInstance.ephemeral() as instance:

            def tick() -> RunRequest | SkipReason:
                context = build_sensor_context(
                    instance=instance, resources={"database": Database(database_url)}, definitions=definitions
                )
                answer = sensor(context)
                assert isinstance(answer, RunRequest | SkipReason)
                return answer

            assert isinstance(tick(), SkipReason)
            ask(connection, ann, made(letters), target, {"exposure_time": 60, "exposure_count": 1}, "k")
            asked = tick()
            assert isinstance(asked, RunRequest)
            assert asked.job_name == "observe"
            result = definitions.resolve_job_def(job.name).execute_in_process(instance=instance)
            messages = [str(entry.user_message) for entry in instance.all_logs(result.run_id)]
            assert any("1 requests placed" in one for one in messages)
            assert isinstance(tick(), SkipReason)
        delivery = DeliverySettings(mail=MailSettings(host="127.0.0.1", port=mailbox.port))
        assert send_letters(connection, delivery, "broker.example") == 1
        assert send_letters(connection, delivery, "broker.example") == 0
        assert mailbox.messages[0]["To"] == "observer@example.org"
        assert mailbox.subjects[0].startswith("[broker-assets] Observation of M 1 (broker-")
