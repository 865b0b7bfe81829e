import copy
import io
import math
from typing import Any

import fastavro
import numpy as np
import pytest
from broken_adapter import BrokenAdapter

from broker_assets.database.point_identity import PointKind, mix
from broker_assets.packets import decoder as module
from broker_assets.packets.decoder import AlertDecoder

SCHEMA_ID = 1101


def blank(schema, named):
    """The smallest value of a type: null where that is allowed."""
    if isinstance(schema, list):
        return None if "null" in schema else blank(schema[0], named)
    if isinstance(schema, dict):
        if schema["type"] == "record":
            named[schema["name"]] = schema
            return {field["name"]: blank(field["type"], named) for field in schema["fields"]}
        return [] if schema["type"] == "array" else blank(schema["type"], named)
    if schema in named:
        return blank(named[schema], named)
    return {"string": "", "bytes": b"", "boolean": False, "float": 0.0, "double": 0.0}.get(schema, 0)


class Packets:
    """Makes messages of one Rubin schema."""

    def __init__(self, schemas, schema_id=SCHEMA_ID):
        self.schema_id = schema_id
        self.schema = schemas.by_id(schema_id)
        self._parsed = fastavro.parse_schema(copy.deepcopy(self.schema))
        self._types = {}
        self._collect(self.schema)

    def _collect(self, node):
        if isinstance(node, list):
            for item in node:
                self._collect(item)
        elif isinstance(node, dict):
            if node.get("type") == "record":
                self._types[node["name"].split(".")[-1]] = node
            for value in node.values():
                self._collect(value)

    def record(self, kind, **values):
        return blank(self._types[kind], {node["name"]: node for node in self._types.values()}) | values

    def source(self, **values):
        return self.record("diaSource", **{"midpointMjdTai": 61000.25, "ra": 10.0, "dec": -20.0, "band": "r", **values})

    def alert(self, **values):
        source = values.pop("diaSource", None) or self.source(diaSourceId=1, diaObjectId=7)
        return blank(self.schema, {}) | {"diaSource": source} | values

    def message(self, **values):
        file = io.BytesIO(b"\x00" + self.schema_id.to_bytes(4, "big"))
        file.seek(5)
        fastavro.schemaless_writer(file, self._parsed, self.alert(**values))
        return file.getvalue()


@pytest.fixture(scope="module")
def packets(rubin_schemas):
    return Packets(rubin_schemas)


@pytest.fixture
def decoder(rubin_schemas):
    return AlertDecoder("rubin", "confluent", rubin_schemas)


def decode(decoder, messages):
    return decoder.decode(decoder.identify(messages))


def reasons(tables):
    return {failure.packet: failure.reason for failure in tables.failures}


@pytest.mark.parametrize("schema_id", [700, 704, 800, 900, 1000, 1100, 1101])
def test_every_schema_of_rubin(rubin_schemas, schema_id):
    packets = Packets(rubin_schemas, schema_id)
    previous = packets.source(diaSourceId=1, diaObjectId=7, midpointMjdTai=60990.0, psfFlux=5.0)
    forced = packets.record("diaForcedSource", diaForcedSourceId=3, diaObjectId=7, midpointMjdTai=60995.0, band="g")
    message = packets.message(
        diaSource=packets.source(diaSourceId=2, diaObjectId=7, psfFlux=-2.5, psfFluxErr=math.nan),
        prvDiaSources=[previous],
        prvDiaForcedSources=[forced],
        diaObject=packets.record("diaObject", diaObjectId=7, ra=10.0, dec=-20.0),
        cutoutScience=b"stamp",
    )
    tables = decode(AlertDecoder("rubin", "confluent", rubin_schemas), [message])
    assert tables.failures == []
    new, old = tables.source.to_pylist()
    assert (new["diasourceid"], new["diaobjectid"], new["trigger"], new["psfflux"]) == (2, 7, True, -2.5)
    assert math.isnan(new["psffluxerr"])
    assert (old["diasourceid"], old["trigger"], old["psfflux"], old["decl"]) == (1, False, 5.0, -20.0)
    assert tables.forced_source.to_pylist()[0]["midpointmjdtai"] == 60995.0
    (row,) = tables.object.to_pylist()
    assert (row["diaobjectid"], row["lastdiasourcemjdtai"]) == (7, 61000.25)
    assert tables.cutout.to_pylist() == [{"packet": 0, "diasourceid": 2, "kind": "science", "length": 5}]


def test_times_of_schema_8_are_utc(rubin_schemas):
    import datetime

    packets = Packets(rubin_schemas, 800)
    when = datetime.datetime(2023, 2, 25, tzinfo=datetime.UTC)
    message = packets.message(diaSource=packets.source(diaSourceId=2, diaObjectId=7, time_processed=when))
    (row,) = decode(AlertDecoder("rubin", "confluent", rubin_schemas), [message]).source.to_pylist()
    assert row["timeprocessedmjdtai"] == pytest.approx(60000 + 37 / 86400, abs=1e-10)


def test_several_schemas_in_one_batch(rubin_schemas, decoder):
    versions = (900, 1101, 900, 1000)
    messages = [
        made.message(diaSource=made.source(diaSourceId=number, diaObjectId=7))
        for number, made in enumerate(Packets(rubin_schemas, version) for version in versions)
    ]
    tables = decode(decoder, messages)
    assert tables.packet["diasourceid"].to_pylist() == [0, 1, 2, 3]
    assert tables.packet["schema"].to_pylist() == [
        f"lsst.v{version // 100}_{version % 100}.alert" for version in versions
    ]
    assert sorted(zip(*(tables.source[name].to_pylist() for name in ("packet", "diasourceid")), strict=True)) == [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 3),
    ]


def test_solar_system(packets, decoder):
    message = packets.message(
        diaSource=packets.source(diaSourceId=4, diaObjectId=None, ssObjectId=99),
        ssSource=packets.record("ssSource", ssObjectId=99, diaSourceId=4, eclLambda=12.5, helio_vx=3.0),
        mpc_orbits=packets.record(
            "mpc_orbits",
            designation="2008 AB",
            a=2.5,
            mpc_orb_jsonb='{"designation_data": {"permid": "217301", "iau_name": "", "other": null}}',
        ),
    )
    tables = decode(decoder, [message])
    assert tables.failures == []
    (source,) = tables.source.to_pylist()
    assert (source["diaobjectid"], source["ssobjectid"]) == (0, 99)
    assert tables.object.num_rows == 0
    (geometry,) = tables.solar_system_source.to_pylist()
    assert (geometry["ssobjectid"], geometry["diasourceid"], geometry["ecllambda"]) == (99, 4, 12.5)
    (orbit,) = tables.orbit.to_pylist()
    assert (orbit["designation"], orbit["a"], orbit["ssobjectid"], orbit["lastdiasourcemjdtai"]) == (
        "2008 AB",
        2.5,
        99,
        61000.25,
    )
    assert (orbit["permid"], orbit["iau_name"]) == ("217301", None)


def test_solar_system_of_schema_9(rubin_schemas):
    packets = Packets(rubin_schemas, 900)
    message = packets.message(
        diaSource=packets.source(diaSourceId=4, diaObjectId=None, ssObjectId=99),
        ssSource=packets.record("ssSource", ssObjectId=99, diaSourceId=4, eclipticLambda=12.5, heliocentricDist=1.5),
        MPCORB=packets.record("MPCORB", mpcDesignation="K08A00B", ssObjectId=99, incl=3.0, mpcH=17.5, M=4.0),
    )
    tables = decode(AlertDecoder("rubin", "confluent", rubin_schemas), [message])
    (geometry,), (orbit,) = tables.solar_system_source.to_pylist(), tables.orbit.to_pylist()
    assert (geometry["ecllambda"], geometry["heliorange"]) == (12.5, 1.5)
    assert (orbit["designation"], orbit["packed_primary_provisional_designation"]) == ("K08A00B", "K08A00B")
    assert (orbit["i"], orbit["h"], orbit["mean_anomaly"]) == (3.0, 17.5, 4.0)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"ra": math.nan}, "right ascension is missing or outside 0 to 360 degrees"),
        ({"ra": -0.5}, "right ascension -0.5 is outside"),
        ({"ra": 360.5}, "right ascension 360.5 is outside"),
        ({"dec": math.inf}, "declination inf is outside"),
        ({"dec": 90.5}, "declination 90.5 is outside"),
        ({"midpointMjdTai": math.nan}, "midpoint is missing or outside MJD 40000 to 100000"),
        ({"midpointMjdTai": 0.0}, "midpoint 0.0 is outside"),
        ({"midpointMjdTai": 2461000.5}, "midpoint 2461000.5 is outside"),
    ],
)
def test_a_source_that_cannot_be_is_told_and_its_neighbours_stay(packets, decoder, values, reason):
    good = packets.message()
    bad = packets.message(diaSource=packets.source(diaSourceId=2, diaObjectId=7, **values))
    tables = decode(decoder, [good, bad, good])
    assert tables.packet["packet"].to_pylist() == [0, 2]
    assert reason in reasons(tables)[1]


def test_damaged_messages(packets, decoder):
    good = packets.message()
    messages = [good, good[:-1], good[:60], good[:3], b"", b"\x01" + good[1:], b"\x00\x00\x00\x30\x39" + good[5:], good]
    messages.insert(4, good + b"\x00")
    tables = decode(decoder, messages)
    assert tables.packet["packet"].to_pylist() == [0, 8]
    assert set(reasons(tables)) == {1, 2, 3, 4, 5, 6, 7}
    assert tables.source["packet"].to_pylist() == [0, 8]


def test_points_of_the_history(packets, decoder):
    history = [
        packets.source(diaSourceId=number, diaObjectId=7, midpointMjdTai=time)
        for number, time in enumerate([60990.0, 60995.0, math.nan, 60999.0, 1.5])
    ]
    forced = [
        packets.record("diaForcedSource", diaForcedSourceId=number, diaObjectId=7, midpointMjdTai=time, band="g")
        for number, time in enumerate([60990.0, 60996.0, 1e9])
    ]
    message = packets.message(
        diaSource=packets.source(diaSourceId=50, diaObjectId=7),
        prvDiaSources=history,
        prvDiaForcedSources=forced,
        diaObject=packets.record("diaObject", diaObjectId=7, ra=10.0, dec=-20.0),
    )
    identified = decoder.identify([message] * 2)
    for path, kind, listed in (
        ("prvDiaSources", PointKind.SOURCE, [60990.0, 60995.0, math.nan, 60999.0, 1.5]),
        ("prvDiaForcedSources", PointKind.FORCED, [60990.0, 60996.0, 1e9]),
    ):
        points = identified.points[path]
        assert points.packet.tolist() == [0] * len(listed) + [1] * len(listed)
        assert np.array_equal(points.midpointmjdtai, listed * 2, equal_nan=True)
        assert set(points.kind) == {kind}
        assert set(points.diaobjectid) == {7}
        assert points.identity.tolist() == [int(mix(np.array([number]))[0]) for number in range(len(listed))] * 2
    keep = {
        "prvDiaSources": np.array([False, True, True, False, False, True, False, False, False, True]),
        "prvDiaForcedSources": np.array([False, True, False, False, False, False]),
    }
    tables = decoder.decode(identified, wanted=keep)
    assert [(row["packet"], row["diasourceid"]) for row in tables.source.to_pylist() if not row["trigger"]] == [
        (0, 1),
        (1, 0),
        (1, 4),
    ]
    assert [(row["packet"], row["diaforcedsourceid"]) for row in tables.forced_source.to_pylist()] == [(0, 1)]
    # Part of the packets, with the same masks.
    second = identified.take(np.array([1]))
    part = decoder.decode(second, wanted={path: mask[len(mask) // 2 :] for path, mask in keep.items()})
    assert sorted(part.source["diasourceid"].to_pylist()) == [0, 4, 50]
    assert part.forced_source.num_rows == 0
    # All of them, but for damaged times.
    everything = decoder.decode(identified)
    times = [60990.0, 60995.0, 60999.0, 1.5, 61000.25]
    assert sorted(everything.source["midpointmjdtai"].to_pylist()) == sorted(2 * times)
    assert everything.forced_source["midpointmjdtai"].to_pylist() == [60990.0, 60996.0] * 2
    assert everything.omitted["source: without a valid midpointmjdtai"] == 2
    assert everything.omitted["forced_source: without a valid midpointmjdtai"] == 2


def test_a_poison_packet_loses_none_of_its_neighbours(packets, rubin_schemas):
    adapter = BrokenAdapter(lambda identity: 13 in identity.diasourceid, "thirteen")
    decoder = AlertDecoder(adapter, "confluent", rubin_schemas)
    messages = [packets.message(diaSource=packets.source(diaSourceId=number, diaObjectId=7)) for number in range(20)]
    tables = decode(decoder, messages)
    (failure,) = tables.failures
    assert (failure.packet, failure.reason) == (13, "ZeroDivisionError: thirteen")
    assert "convert" in failure.traceback
    assert sorted(tables.source["diasourceid"].to_pylist()) == [number for number in range(20) if number != 13]
    assert tables.packet.num_rows == 19


def test_every_packet_is_decoded_or_failed(packets, decoder):
    rng = np.random.default_rng(5)
    messages = []
    for number in range(60):
        message = bytearray(packets.message(diaSource=packets.source(diaSourceId=number, diaObjectId=7)))
        if number % 3:
            for _ in range(3):
                message[rng.integers(0, len(message))] = rng.integers(0, 256)
        messages.append(bytes(message[: rng.integers(1, len(message))] if number % 3 == 2 else message))
    tables = decode(decoder, messages)
    assert sorted([*tables.packet["packet"].to_pylist(), *(failure.packet for failure in tables.failures)]) == list(
        range(60)
    )


def test_a_new_minor_version_does_not_stop_the_stream(packets, caplog):
    schema = copy.deepcopy(packets.schema)
    schema["name"] = "lsst.v11_9.alert"
    source = next(field for field in schema["fields"] if field["name"] == "diaSource")["type"]
    source["fields"].insert(3, {"name": "novelty", "type": ["null", "double"], "default": None})

    class Newer:
        def by_id(self, schema_id):
            return schema

        def for_topic(self, topic):
            return schema

    made = Packets(Newer())
    decoder = AlertDecoder("rubin", "confluent", Newer())
    for _ in range(3):
        tables = decode(decoder, [made.message(diaSource=made.source(diaSourceId=8, diaObjectId=7, novelty=1.0))])
        assert tables.failures == []
        assert tables.source["diasourceid"].to_pylist() == [8]
    assert decoder.unknown_fields == {"lsst.v11_9.alert": ["diaSource.novelty", "prvDiaSources.novelty"]}
    assert sum("novelty" in record.message for record in caplog.records) == 1


def test_packets_of_another_survey_are_told(rubin_schemas, packets):
    tables = decode(AlertDecoder("ztf", "confluent", rubin_schemas), [packets.message()])
    assert "objectId" in reasons(tables)[0]


def test_take(packets, decoder):
    messages = [packets.message(diaSource=packets.source(diaSourceId=number, diaObjectId=7)) for number in range(4)]
    identified = decoder.identify([*messages, b""]).take(np.array([1, 3]))
    tables = decoder.decode(identified)
    assert tables.packet["packet"].to_pylist() == [1, 3]
    assert set(reasons(tables)) == {4}


def test_no_packets(decoder):
    tables = decode(decoder, [])
    assert tables.packet.num_rows == tables.source.num_rows == 0
    assert tables.failures == []


def test_a_packet_of_ten_megabytes(packets, decoder):
    tables = decode(decoder, [packets.message(cutoutScience=bytes(10 << 20))])
    assert tables.cutout["length"].to_pylist() == [10 << 20]


def test_unknown_survey_and_framing():
    with pytest.raises(ValueError, match="gaia"):
        AlertDecoder("gaia", "bare")
    with pytest.raises(ValueError, match="morse"):
        AlertDecoder("ztf", "morse")
    assert module.DECODER_VERSION


@pytest.mark.shared
def test_the_real_alert_field_by_field(alerts, rubin_schemas, decoder):
    message = (alerts / "lsst" / "7912941781254298.confluent.avro").read_bytes()
    record: Any = fastavro.schemaless_reader(
        io.BytesIO(message[5:]), fastavro.parse_schema(copy.deepcopy(rubin_schemas.by_id(900))), None
    )
    tables = decode(decoder, [message])
    (source,), (row,) = tables.source.to_pylist(), tables.object.to_pylist()
    for name, found in (("diaSource", source), ("diaObject", row)):
        for field, value in record[name].items():
            column = {"dec": "decl"}.get(field, field.lower())
            if name == "diaSource" and field == "ssObjectId":
                assert (value, found[column]) == (0, None)
            elif name == "diaObject" and field == "lastDiaSourceMjdTai":
                assert found[column] == record["diaSource"]["midpointMjdTai"]
            elif isinstance(value, float) and math.isnan(value):
                # A time that is NaN is none: nothing was withdrawn then.
                assert (found[column] is None) if field.endswith("MjdTai") else math.isnan(found[column]), field
            else:
                assert found[column] == value, field
