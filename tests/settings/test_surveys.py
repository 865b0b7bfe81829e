import datetime
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from broker_assets.settings.stream import ClusterSettings
from broker_assets.settings.surveys import DATUMS, KINDS, PLACES, BrokerSettings, SurveySettings

TODAY = datetime.date(2023, 11, 5)


def test_the_brokers_of_the_campaigns_are_kinds():
    assert {"antares", "fink", "alerce", "ampel", "pitt-google", "lasair"} <= KINDS.keys()
    assert all(set(kind.fields) <= set(PLACES) for kind in KINDS.values())


def test_a_kind_gives_what_a_section_leaves_open():
    fink = BrokerSettings(kind="fink", topics=["fink-elasticc"])
    assert (fink.reads, fink.pattern) == (DATUMS, None)
    ampel = BrokerSettings(kind="ampel", topics=["x"], fields={"alert": "id"})
    assert ampel.reads == "hopskotch"
    assert (ampel.places["alert"], ampel.places["broker"]) == ("id", "brokerName|=AMPEL")
    assert BrokerSettings(kind="fink", topics=["x"], form="json").places["alert"].startswith("alertId")


def test_topics_of_a_pattern_have_dates_near_today():
    alerce = BrokerSettings(kind="alerce", left_out=["lc_classifier_bad_20231105"])
    names = [f"lc_classifier_x_{day}" for day in ("20231101", "20231107", "20231031", "20231108", "20231399")]
    assert [alerce.matches(name, TODAY) for name in names] == [True, True, False, False, False]
    assert not alerce.matches("lc_classifier_bad_20231105", TODAY)
    assert not alerce.matches("other_20231105", TODAY)
    assert not BrokerSettings(kind="alerce", topics=["one"]).matches("lc_classifier_x_20231105", TODAY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "nobody", "topics": ["x"]},
        {"kind": "fink"},
        {"kind": "fink", "topics": ["x"], "fields": {"colour": "a"}},
        {"kind": "fink", "topic_pattern": "("},
    ],
)
def test_a_broker_that_cannot_be_read_is_refused(wrong):
    with pytest.raises(ValidationError):
        BrokerSettings(**wrong)


def test_the_name_of_a_broker_is_one():
    with pytest.raises(ValidationError, match="cannot be the name of a broker"):
        SurveySettings(brokers={"a.b": BrokerSettings(kind="fink", topics=["x"])})


def test_clusters_are_named():
    own = ClusterSettings(bootstrap_servers="own:9092")
    settings = SurveySettings(clusters={"fink": ClusterSettings(bootstrap_servers="fink:9092")})
    assert settings.cluster("", own) is own
    assert settings.cluster("fink", own).bootstrap_servers == "fink:9092"
    with pytest.raises(LookupError, match="BROKER_SURVEY__CLUSTERS__ANTARES__BOOTSTRAP_SERVERS"):
        settings.cluster("antares", own)


def test_the_example_of_the_documentation_is_one():
    document = (Path(__file__).parents[2] / "docs" / "survey-simulation.md").read_text()
    example = "\n".join(re.findall(r"```toml\n(.*?)```", document, flags=re.DOTALL))
    settings = SurveySettings.model_validate(tomllib.loads(example)["survey"])
    assert settings.brokers["pitt-google"].pubsub is not None
    assert settings.brokers["alerce"].pattern == KINDS["alerce"].topic_pattern
    assert all(f"`{name}`" in document for name in KINDS)
    fields = re.findall(r"`(?:survey\.)?([a-z_]+)`", document[document.index("| setting |") :])
    assert set(fields) <= SurveySettings.model_fields.keys()


def test_a_broker_on_pubsub_needs_subscriptions_and_no_cluster():
    given = {"kind": "pitt-google", "topics": ["elasticc-desc"], "pubsub": {"project": "my-project"}}
    found = BrokerSettings.model_validate(given)
    assert found.pubsub is not None
    assert found.pubsub.url == "https://pubsub.googleapis.com"
    for name, value in (("topics", []), ("cluster", "c"), ("topic_pattern", "x")):
        with pytest.raises(ValidationError, match="names of its subscriptions"):
            BrokerSettings.model_validate({**given, name: value})
