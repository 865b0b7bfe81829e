"""Records are Lasair's; GCN's JSON fits its schema, and VOEvents say what, where and when."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.delivery.errors import MessageRefusedError
from broker_assets.delivery.messages import Message, Place, as_json, gcn_notice, record, voevent

AT = datetime.datetime(2026, 11, 20, 3, 4, 5, 678000, tzinfo=datetime.UTC)
MESSAGE = Message(
    deliveryid=9, identity="ab" * 16, sinkid=2, filterid=3, version=4, trigger="alert/5/6", diaobjectid=5,
    diasourceid=6, night=AT.date(), record='{"diaObjectId": 5, "gmag": 19.5, "name": null}', late=False,
    created_at=AT, attempts=0,
)  # fmt: skip
PLACE = Place(10.5, -20.25, 61000.0)


def test_a_record_has_the_columns_in_order_and_the_time() -> None:
    assert list(record(MESSAGE).items()) == [
        ("diaObjectId", 5), ("gmag", 19.5), ("name", None), ("UTC", "2026-11-20 03:04:05"),
    ]  # fmt: skip
    late = record(dataclasses.replace(MESSAGE, late=True), {"diaSourcesList": []})
    assert (late["late"], late["alert"]) == (True, {"diaSourcesList": []})


@pytest.mark.parametrize("columns", ["", "[1]", "not JSON"])
def test_a_row_that_is_not_an_object_is_refused_for_good(columns: str) -> None:
    with pytest.raises(MessageRefusedError) as refused:
        record(dataclasses.replace(MESSAGE, record=columns))
    assert refused.value.final


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(VALUES)
def test_json_has_no_numbers_that_json_lacks(value: Any) -> None:
    def no_constants(name: str) -> None:
        raise AssertionError(name)

    json.loads(as_json(value).decode("utf-8", "surrogatepass"), parse_constant=no_constants)


def test_a_notice_of_gcn() -> None:
    notice = gcn_notice(MESSAGE, PLACE, filter_name="bright", page="http://broker.example/objects/5")
    assert (notice["ra"], notice["dec"], notice["id"], notice["messenger"]) == (10.5, -20.25, ["5"], "EM")
    assert notice["trigger_time"] == "2025-11-20T23:59:23.000Z", "TAI is 37 s ahead of UTC"
    assert json.loads(notice["additional_info"]) == {"diaObjectId": 5, "gmag": 19.5, "name": None}


@pytest.mark.parametrize(
    "columns", ['{"ra": 1.5, "decl": 2.5}', '{"ra": true, "dec": 500}', '{"RA": "x", "decl": null}']
)
def test_the_position_is_that_of_the_object_whatever_columns_are_called(columns: str) -> None:
    chosen = dataclasses.replace(MESSAGE, record=columns)
    notice = gcn_notice(chosen, PLACE, filter_name="", page="")
    assert (notice["ra"], notice["dec"]) == (10.5, -20.25)
    root = ET.fromstring(voevent(chosen, PLACE, authority="b.example", filter_name="", page=""))  # noqa: S314
    assert [root.findtext(f".//{name}") for name in ("C1", "C2")] == ["10.5", "-20.25"]


def test_identifiers_of_a_voevent_are_whole_numbers() -> None:
    columns = f'{{"diaObjectId": {2**63 - 1}, "mag": 19.5, "none": null, "flag": true, "name": "7"}}'
    message = dataclasses.replace(MESSAGE, record=columns)
    root = ET.fromstring(voevent(message, PLACE, authority="b.example", filter_name="", page=""))  # noqa: S314
    params = {param.get("name"): (param.get("value"), param.get("dataType")) for param in root.iter("Param")}
    assert params == {
        "diaObjectId": ("9223372036854775807", "int"), "mag": ("19.5", "float"), "none": ("", None),
        "flag": ("true", None), "name": ("7", None),
    }  # fmt: skip


def test_a_voevent() -> None:
    columns = '{"gmag": 19.5, "class": "SN \\u0000 <Ia> & \\"x\\"", "none": null, "list": [1]}'
    message = dataclasses.replace(MESSAGE, record=columns)
    packet = voevent(message, PLACE, authority="broker.example", filter_name="bright & new", page="http://b.example/5")
    root = ET.fromstring(packet)  # noqa: S314
    assert root.tag == "{http://www.ivoa.net/xml/VOEvent/v2.0}VOEvent"
    assert root.attrib == {
        "role": "observation", "version": "2.0", "ivorn": f"ivo://broker.example/filter3#{'ab' * 16}",
    }  # fmt: skip
    assert [child.tag for child in root] == ["Who", "What", "WhereWhen", "How"]
    params = {param.get("name"): param.get("value") for param in root.iter("Param")}
    assert params == {"gmag": "19.5", "class": 'SN � <Ia> & "x"', "none": "", "list": "[1]"}
    assert [root.findtext(f".//{name}") for name in ("C1", "C2")] == ["10.5", "-20.25"]
    assert root.findtext(".//ISOTime") == "2025-11-20T23:59:23.000000"


@given(st.text(), st.text())
def test_a_voevent_of_any_text_can_be_read(name: str, value: str) -> None:
    message = dataclasses.replace(MESSAGE, record=json.dumps({name: value}))
    ET.fromstring(voevent(message, PLACE, authority="b.example", filter_name=value, page="http://b.example/"))  # noqa: S314
