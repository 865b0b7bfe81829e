from broker_assets.tom.survey.fields import (
    FORCED_COLUMNS,
    HEADER_COLUMNS,
    OBJECT_COLUMNS,
    SOURCE_COLUMNS,
    TRUTH_COLUMNS,
    VERSIONS,
)


def test_an_object_has_73_columns_of_which_the_files_give_71():
    assert len(OBJECT_COLUMNS) == len(set(OBJECT_COLUMNS)) == 73
    assert set(OBJECT_COLUMNS) - set(HEADER_COLUMNS.values()) == {"simversion", "isddf"}


def test_the_truth_has_35_columns():
    assert len(set(TRUTH_COLUMNS.values())) == 35


def test_every_field_of_an_alert_is_a_column_of_its_table():
    for fields in VERSIONS.values():
        for record, columns in (
            (fields.source, SOURCE_COLUMNS), (fields.forced, FORCED_COLUMNS), (fields.object, OBJECT_COLUMNS),
        ):  # fmt: skip
            assert {field.column for field in record if field.column} <= set(columns)


def test_no_field_of_the_second_campaign_is_without_a_column():
    second = VERSIONS["0.9.1"]
    assert all(field.column for field in (*second.source, *second.forced, *second.object))
