import pytest


def test_without_brokers_there_is_nothing_to_read(command):
    done = command("tom", "brokerpoll2", "--once")
    assert done.exit_code == 2
    assert "the settings have no brokers" in done.output


def test_a_broker_needs_a_topic(command):
    done = command("tom", "brokerpoll2", "--do-fink")
    assert done.exit_code == 2
    assert "--do-fink needs --fink-topic" in done.output


@pytest.mark.database
def test_a_broker_without_servers_is_a_problem(command):
    done = command("tom", "brokerpoll2", "--do-fink", "--fink-topic", "x", "--reset", "--once")
    assert done.exit_code == 1
    assert "set BROKER_SURVEY__CLUSTERS__FINK__BOOTSTRAP_SERVERS" in done.output


@pytest.mark.database
def test_nothing_is_imported_where_nothing_was_reported(command):
    done = command("tom", "update-elasticc2-sources", "--doall")
    assert done.exit_code == 0
    assert "0 detections listed" in done.output
