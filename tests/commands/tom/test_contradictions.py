"""The command that compares what sources say."""

import pytest

from broker_assets.database import engine


@pytest.mark.database
def test_what_contradicts_and_what_only_one_has(command, database_url, tmp_path):
    assert "0 contradictions" in command("tom", "contradictions").output
    with engine.connect(database_url) as connection:
        connection.execute("INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf) VALUES (1, 10, -5, false)")
        connection.execute(
            "INSERT INTO elasticc2_brokerclassifier (classifier_id, brokername, classifiername)"
            " OVERRIDING SYSTEM VALUE VALUES (1, 'Fink', 'RF')"
        )
        connection.execute(
            "INSERT INTO elasticc2_diaobjectclassification (diaobject_id, classifier_id, latestclass1id,"
            " latestclass1prob) VALUES (1, 1, 2222, 0.9)"
        )
        connection.execute(
            "INSERT INTO annotators (topic, owner, public, active, revision) VALUES ('open', 'bob', true, true, 1)"
        )
        connection.execute(
            "INSERT INTO annotations (annotationid, diaobjectid, topic, classification, classdict, content, revision,"
            " ingestid) VALUES (1, 1, 'open', 'AGN', '{}', 'x', 1, 1), (2, 2, 'open', 'odd', '{}', 'x', 1, 1),"
            " (3, 3, 'open', 'TDE', '{}', 'x', 1, 1)"
        )
    done = command("tom", "contradictions")
    assert done.exit_code == 0, done.output
    assert "1 contradictions about 1 objects, of 3 statements" in done.output
    assert "annotator open" in done.output
    assert "without a meaning in the rule: odd" in done.output
    only = command("tom", "contradictions", "--only", "annotator", "--without", "broker")
    assert "TDE" in only.output
    assert "1 statements by annotator" in only.output
    assert command("tom", "contradictions", "--only", "tns").exit_code == 2
    wrong = command("tom", "contradictions", "--only", "tns", "--without", "gossip")
    assert wrong.exit_code != 0
    (tmp_path / "rule.yaml").write_text("names: {}\n")
    assert command("tom", "contradictions", "--rule", str(tmp_path / "rule.yaml")).exit_code != 0
