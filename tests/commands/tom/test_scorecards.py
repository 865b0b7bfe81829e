"""The command that shows how right classifiers are."""

import pyarrow.parquet as pq
import pytest

from broker_assets.database import engine


@pytest.mark.database
def test_a_line_for_each_classifier_and_files(command, database_url, tmp_path):
    assert "No classifier has reported anything yet" in command("tom", "scorecards").output
    with engine.connect(database_url) as connection:
        connection.execute("INSERT INTO elasticc2_brokerclassifier (brokername, classifiername) VALUES ('Fink', 'RF')")
        connection.execute(
            "INSERT INTO elasticc2_brokermessage (streammessage_id, topicname, kafka_partition, alert_id, diasource_id,"
            " classid, classifier_id, probability) SELECT 0, 't', 0, 5, 5, '{2222}', classifier_id, '{0.5}'"
            " FROM elasticc2_brokerclassifier"
        )
    done = command("tom", "scorecards", "--out", str(tmp_path / "cards"))
    assert done.exit_code == 0, done.output
    assert "1 messages counted" in done.output
    assert "Fink · RF" in done.output
    found = pq.read_table(tmp_path / "cards" / "classifiers.parquet").to_pylist()
    assert [(row["broker"], row["messages"], row["without_truth"]) for row in found] == [("Fink", 1, 1)]
    assert "0 messages counted." in command("tom", "scorecards").output
