"""The reader agrees with fastavro, whatever the schema, and survives whatever the bytes."""

from __future__ import annotations

import io
import json
import math
import struct
from concurrent.futures import ThreadPoolExecutor
from itertools import compress
from random import Random
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from broker_assets.packets.reader import Chosen, DecodedPackets, PacketReader, available_columns
from broker_assets.packets.schema import (
    Array,
    AvroType,
    Map,
    Primitive,
    Record,
    Union,
    UnsupportedSchema,
    resolve,
)

# Shrinking these schemas takes minutes and rarely makes them plainer.
NO_SHRINKING = [Phase.explicit, Phase.reuse, Phase.generate]
PROPERTY = settings(
    max_examples=60,
    deadline=None,
    phases=NO_SHRINKING,
    suppress_health_check=list(HealthCheck),
)


# The result that fastavro's records should give, written for clearness


def is_leaf(kind: AvroType) -> bool:
    if isinstance(kind, Array):
        return is_leaf(kind.items)
    if isinstance(kind, Map):
        return is_leaf(kind.values)
    if isinstance(kind, Union):
        return len(kind.branches) == 2 and kind.null_branch >= 0 and is_leaf(kind.branches[1 - kind.null_branch])
    return not isinstance(kind, Record)


def branch_of(kind: Union, value: Any) -> int:
    """The test's unions have branches that Python tells apart."""
    names = {type(None): "null", bool: "boolean", int: "long", float: "double", str: "string", bytes: "bytes"}
    for index, branch in enumerate(kind.branches):
        if isinstance(branch, Primitive) and branch.name == names.get(type(value)):
            return index
        if isinstance(branch, Record) and isinstance(value, dict):
            return index
    raise AssertionError(f"{value!r} is of no branch")


class Absent:
    """The value of everything inside a record that is null."""


class Expected:
    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = {}

    def row(self, table: str, packet: int, parent: int | None) -> dict[str, Any]:
        row: dict[str, Any] = {"packet": packet}
        if parent is not None and "." in table + "." and table:
            row["@parent"] = parent
        self.tables.setdefault(table, []).append(row)
        return row

    def add(self, kind: AvroType, value: Any, table: str, name: str, row: dict[str, Any]) -> None:
        if isinstance(kind, Record):
            for member in kind.fields:
                inner = value if value is Absent else value[member.name]
                self.add(member.type, inner, table, f"{name}.{member.name}" if name else member.name, row)
        elif is_leaf(kind):
            row[name] = None if value is Absent else value
        elif isinstance(kind, Union) and kind.nullable is not None:
            if isinstance(kind.nullable, Record):
                row[name or "@present"] = value is not Absent and value is not None
            self.add(kind.nullable, Absent if value is None else value, table, name, row)
        elif isinstance(kind, Union):
            chosen = -1 if value is Absent else branch_of(kind, value)
            row[f"{name}@branch"] = None if value is Absent else chosen
            for index, branch in enumerate(kind.branches):
                called = branch.name.rpartition(".")[2]  # type: ignore[union-attr]
                self.add(branch, value if index == chosen else Absent, table, f"{name}@{called}", row)
        else:
            self.array(kind, value, table, name, row)

    def array(self, kind: AvroType, value: Any, table: str, name: str, row: dict[str, Any]) -> None:
        row[f"{name}@count"] = None if value is Absent else len(value)
        if value is Absent:
            return
        path = f"{table}.{name}" if table else name
        items = kind.items if isinstance(kind, Array) else kind.values  # type: ignore[union-attr]
        inner = items.nullable if isinstance(items, Union) and items.nullable is not None else items
        parent = len(self.tables[table]) - 1
        for item in value.items() if isinstance(kind, Map) else value:
            child = self.row(path, row["packet"], None)
            if table:
                child["parent"] = parent
            if isinstance(kind, Map):
                child["key"], item = item
            self.add(items, item, path, "" if isinstance(inner, Record) else "item", child)


def same(left: Any, right: Any) -> bool:
    """Equality under which a NaN equals itself, 0.0 is not -0.0 and a map is its pairs."""
    if isinstance(right, dict):
        right = list(right.items())
    if isinstance(left, float) and isinstance(right, float):
        return struct.pack("<d", left) == struct.pack("<d", right) or (math.isnan(left) and math.isnan(right))
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, tuple) and isinstance(right, tuple):
        return same(list(left), list(right))
    return type(left) is type(right) and bool(left == right)


def expect(schema: Any, records: dict[int, Any]) -> dict[str, list[dict[str, Any]]]:
    expected = Expected()
    kind = resolve(schema)
    for packet, record in records.items():
        expected.add(kind, record, "", "", expected.row("", packet, None))
    return expected.tables


def assert_equal(schema: Any, decoded: DecodedPackets, records: dict[int, Any]) -> None:
    """All tables and columns that were read have the values of fastavro's records."""
    wanted = expect(schema, records)
    for table, rows in decoded.tables.items():
        expected = wanted.get(table, [])
        assert rows.num_rows == len(expected), table
        for name in rows.column_names:
            values = rows.column(name).to_pylist()
            for row, (value, right) in enumerate(zip(values, expected, strict=True)):
                right = right[name]
                assert same(value, right), f"{table}[{row}].{name}: {value!r} instead of {right!r}"
        rows.validate(full=True)


def write(schema: Any, record: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
    return out.getvalue()


def read(schema: Any, payload: bytes, start: int = 0) -> Any:
    return fastavro.schemaless_reader(io.BytesIO(payload[start:]), fastavro.parse_schema(schema), None)


# Random schemas and records

numbers = st.sampled_from(["boolean", "int", "long", "float", "double"])


@st.composite
def types(draw: st.DrawFn, depth: int, counter: list[int]) -> Any:
    def named() -> str:
        counter[0] += 1
        return f"T{counter[0]}"

    choice = draw(st.integers(0, 18 if depth else 11))
    if choice <= 4:
        return draw(numbers)
    if choice <= 7:
        inner: Any = draw(st.one_of(numbers, st.sampled_from(["string", "bytes"])))
        return ["null", inner] if draw(st.integers(0, 3)) else [inner, "null"]
    if choice == 8:
        return draw(st.sampled_from(["string", "bytes", "null"]))
    if choice == 9:
        return {"type": "enum", "name": named(), "symbols": ["A", "B", "C"]}
    if choice == 10:
        return {"type": "fixed", "name": named(), "size": draw(st.integers(0, 20))}
    if choice == 11:
        return ["null", {"type": "fixed", "name": named(), "size": draw(st.integers(1, 9))}]
    if choice <= 13:
        return {"type": "array", "items": draw(types(depth - 1, counter))}
    if choice == 14:
        return {"type": "map", "values": draw(types(depth - 1, counter))}
    if choice == 15:
        branches = draw(
            st.lists(st.sampled_from(["null", "boolean", "long", "double", "string", "bytes"]), min_size=3, unique=True)
        )
        if draw(st.booleans()):
            branches.append(draw(records(depth - 1, counter)))
        return branches
    record = draw(records(depth - 1, counter))
    if choice == 16:
        return record
    inner = record if choice == 17 else {"type": "array", "items": record}
    return ["null", inner] if draw(st.booleans()) else [inner, "null"]


@st.composite
def records(draw: st.DrawFn, depth: int, counter: list[int]) -> Any:
    counter[0] += 1
    name = f"R{counter[0]}"
    fields = [
        {"name": f"f{k}", "type": draw(types(depth, counter))}
        for k in range(draw(st.integers(0 if depth < 2 else 1, 8)))
    ]
    return {"type": "record", "name": name, "namespace": "test.space", "fields": fields}


def values(schema: Any) -> st.SearchStrategy[Any]:
    if isinstance(schema, list):
        return st.one_of([values(branch) for branch in schema])
    if isinstance(schema, dict):
        kind = schema["type"]
        if kind == "record":
            return st.fixed_dictionaries({f["name"]: values(f["type"]) for f in schema["fields"]})
        if kind == "array":
            return st.lists(values(schema["items"]), max_size=4)
        if kind == "map":
            return st.dictionaries(st.text(max_size=3), values(schema["values"]), max_size=3)
        if kind == "enum":
            return st.sampled_from(schema["symbols"])
        return st.binary(min_size=schema["size"], max_size=schema["size"])
    return {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1) | st.integers(-200, 200),
        "long": st.integers(-(2**63), 2**63 - 1) | st.integers(-200, 200),
        "float": st.floats(width=32),
        "double": st.floats(),
        "bytes": st.binary(max_size=40),
        "string": st.text(max_size=20),
    }[schema]


@st.composite
def batches(draw: st.DrawFn) -> tuple[Any, list[Any]]:
    schema = draw(records(3, [0]))
    return schema, draw(st.lists(values(schema), min_size=1, max_size=4))


@given(batches())
@PROPERTY
def test_everything_equals_fastavro(batch: tuple[Any, list[Any]]) -> None:
    schema, datums = batch
    payloads = [write(schema, datum) for datum in datums]
    decoded = PacketReader(schema).read(payloads)
    assert decoded.failures == []
    assert_equal(schema, decoded, {k: read(schema, payload) for k, payload in enumerate(payloads)})
    found = {t: set(table.column_names) - {"packet", "parent"} for t, table in decoded.tables.items()}
    named = {t: {n for n in names if not n.endswith(REFERENCES)} for t, names in available_columns(schema).items()}
    assert {t: names for t, names in found.items() if names or not t} == {
        t: names for t, names in named.items() if names or not t
    }


REFERENCES = ("@position", "@length", "@end")
"""Places in the payload, which fastavro does not give."""


@given(batches(), st.randoms(use_true_random=False), st.booleans())
@PROPERTY
def test_some_columns_equal_fastavro(batch: tuple[Any, list[Any]], random: Any, to_end: bool) -> None:
    schema, datums = batch
    start = random.randrange(4)
    payloads = [bytes(start) + write(schema, datum) for datum in datums]
    columns = {
        table: [name for name in names if random.random() < 0.3 and not name.endswith(REFERENCES)]
        for table, names in available_columns(schema).items()
        if random.random() < 0.7
    }
    reader = PacketReader(schema, columns, to_end=to_end)
    decoded = reader.read(payloads, starts=np.full(len(payloads), start))
    assert decoded.failures == []
    assert set(decoded.tables) == {"", *columns} | {
        t for t in decoded.tables if any(c.startswith(f"{t}.") for c in columns)
    }
    for table, names in columns.items():
        assert set(decoded.tables[table].column_names) - {"packet", "parent"} == set(names)
    assert_equal(schema, decoded, {k: read(schema, payload, start) for k, payload in enumerate(payloads)})


@given(batches(), st.randoms(use_true_random=False))
@PROPERTY
def test_corrupt_bytes_hurt_no_neighbour(batch: tuple[Any, list[Any]], random: Any) -> None:
    schema, datums = batch
    good = [write(schema, datum) for datum in datums]
    bad = bytearray(random.choice(good))
    for _ in range(random.randrange(1, 4)):
        if bad:
            bad[random.randrange(len(bad))] = random.choice([0, 1, 2, 3, 0x7F, 0x80, 0xFF, random.randrange(256)])
    if random.random() < 0.3:
        bad = bad[: random.randrange(len(bad) + 1)]
    reader = PacketReader(schema)
    decoded = reader.read([good[0], bytes(bad), *good])
    alone = reader.read([bytes(bad)])
    assert [f.packet for f in decoded.failures] == [1] * len(alone.failures)
    kept = DecodedPackets(
        {t: table.filter(pa.compute.not_equal(table["packet"], 1)) for t, table in decoded.tables.items()}, []
    )
    for table in [t for t, rows in kept.tables.items() if "parent" in rows.column_names]:
        kept.tables[table] = kept.tables[table].drop_columns("parent")
    assert_equal(schema, kept, {k: read(schema, payload) for k, payload in [(0, good[0]), *enumerate(good, 2)]})


# Only chosen records

HISTORY: Any = {
    "type": "record",
    "name": "alert",
    "fields": [
        {"name": "id", "type": "long"},
        {
            "name": "history",
            "type": [
                "null",
                {
                    "type": "array",
                    "items": {
                        "type": "record",
                        "name": "source",
                        "fields": [
                            {"name": "flags", "type": ["null", "int"]},
                            {"name": "notes", "type": {"type": "array", "items": "string"}},
                            {"name": "time", "type": "double"},
                            {"name": "flux", "type": ["null", "float"]},
                            {
                                "name": "parts",
                                "type": {
                                    "type": "array",
                                    "items": {
                                        "type": "record",
                                        "name": "part",
                                        "fields": [{"name": "x", "type": "int"}],
                                    },
                                },
                            },
                        ],
                    },
                },
            ],
        },
        {"name": "last", "type": "string"},
    ],
}


@given(
    st.lists(values(HISTORY), min_size=1, max_size=5),
    st.sampled_from(
        [None, {"history": ["flux"]}, {"history": ["notes", "flux"], "history.parts": ["x"], "": ["last"]}]
    ),
    st.randoms(use_true_random=False),
)
@PROPERTY
def test_chosen_items(batch: list[Any], columns: dict[str, list[str]] | None, random: Random) -> None:
    payloads = [write(HISTORY, datum) for datum in batch]
    reader = PacketReader(HISTORY, columns)
    records = {k: read(HISTORY, payload) for k, payload in enumerate(payloads)}
    counts = [None if r["history"] is None else len(r["history"]) for r in records.values()]
    # Every second payload, so that the places in the mask are not those of the whole batch.
    chosen = list(records)[::2]
    packet = np.array([k for k, count in enumerate(counts) for _ in range(count or 0)], np.int64)
    mask = np.array([random.random() < 0.5 for _ in packet], bool)
    end = PacketReader(HISTORY, {"history": ["@end"]}).read(payloads).tables["history"]["@end"].to_numpy()
    keep = {"history": Chosen.of(mask, end, packet, np.array(chosen))}
    decoded = reader.read([payloads[k] for k in chosen], keep=keep)
    assert decoded.failures == []
    wanted = {}
    for place, k in enumerate(chosen):
        record = read(HISTORY, payloads[k])
        if record["history"] is not None:
            record["history"] = list(compress(record["history"], mask[packet == k]))
        wanted[place] = record
    if columns is None:
        assert decoded.tables[""]["history@count"].to_pylist() == [counts[k] for k in chosen]
        decoded.tables[""] = decoded.tables[""].drop_columns("history@count")
    assert_equal(HISTORY, decoded, wanted)
    # The same reader without a choice keeps everything again.
    assert_equal(HISTORY, reader.read(payloads), records)


@pytest.mark.parametrize("share", [k / 20 for k in range(21)])
def test_what_follows_many_items_that_are_chosen_from(share: float) -> None:
    """More items than rows are collected at a time, of more layouts than are kept, and a record after them."""
    generator = np.random.default_rng(3)
    schema = record(many={"type": "array", "items": ALIKE}, after=ALIKE | {"name": "after"}, end="bytes")
    datums: list[dict[str, Any]] = [
        {"many": alike(generator, 100, 0.3), "after": alike(generator, 1, 0.0)[0], "end": bytes(200)} for _ in range(20)
    ]
    mask = np.random.default_rng(1).random(2000) < share
    payloads = [write(schema, datum) for datum in datums]
    end = PacketReader(schema, {"many": ["@end"]}).read(payloads).tables["many"]["@end"].to_numpy()
    chosen = Chosen.of(mask, end, np.repeat(np.arange(20), 100), np.arange(20))
    columns = {"many": ["id"], "": ["after.id"]}
    decoded = PacketReader(schema, columns, to_end=True).read(payloads, keep={"many": chosen})
    assert decoded.failures == []
    every = [item["id"] for datum in datums for item in datum["many"]]
    assert decoded.tables["many"]["id"].to_pylist() == list(compress(every, mask))
    assert decoded.tables[""]["after.id"].to_pylist() == [datum["after"]["id"] for datum in datums]


def test_a_choice_that_does_not_fit_is_refused() -> None:
    nothing, one, end = np.zeros(0, np.int64), np.array([1]), np.zeros(0, np.int32)
    with pytest.raises(ValueError, match="not in schema alert: table 'nothing'"):
        PacketReader(HISTORY).read([], keep={"nothing": Chosen(np.zeros(0, bool), end, nothing, nothing)})
    with pytest.raises(ValueError, match="first has the shape"):
        PacketReader(HISTORY).read([b""], keep={"history": Chosen(np.zeros(0, bool), end, nothing, nothing)})
    with pytest.raises(ValueError, match="outside the mask"):
        PacketReader(HISTORY).read([b""], keep={"history": Chosen(np.zeros(0, bool), end, one - 1, one)})


ITEMS = {
    "type": "record",
    "name": "alert",
    "fields": [
        {
            "name": "many",
            "type": {
                "type": "array",
                "items": {"type": "record", "name": "item", "fields": [{"name": "number", "type": "long"}]},
            },
        }
    ],
}


def test_more_items_than_were_chosen_from_are_read() -> None:
    """A mask that is too short, as after a change of the bytes, reads nothing that does not belong to it."""
    payload = write(ITEMS, {"many": [{"number": k} for k in range(5)]})
    mask = np.array([False, True])
    keep = {"many": Chosen(mask, np.array([2, 3], np.int32), np.array([0]), np.array([2]))}
    assert PacketReader(ITEMS).read([payload], keep=keep).tables["many"]["number"].to_pylist() == [1, 2, 3, 4]


@pytest.mark.parametrize("end", [-1, 0, 1, 10**6, 2**31 - 1])
def test_an_end_that_is_not_of_these_bytes_fails_the_packet(end: int) -> None:
    payload = write(ITEMS, {"many": [{"number": k} for k in range(5)]})
    mask, ends = np.array([False, True]), np.array([end, 3], np.int32)
    keep = {"many": Chosen(mask, ends, np.array([0, 0]), np.array([2, 0]))}
    decoded = PacketReader(ITEMS).read([payload, payload], keep=keep)
    # The second payload, of which nothing is chosen from, is whole.
    assert {failure.packet for failure in decoded.failures} <= {0}
    assert decoded.tables["many"]["packet"].to_pylist().count(1) == 5
    if end not in (0, 1):
        assert "a length that is negative or beyond the payload" in decoded.failures[0].reason


# References, presence, logical types


def record(**fields: Any) -> Any:
    return {"type": "record", "name": "r", "fields": [{"name": n, "type": t} for n, t in fields.items()]}


def test_positions_of_bytes() -> None:
    schema = record(a="string", cutout=["null", "bytes"], b="long")
    payloads = [b"\0\0" + write(schema, {"a": "é", "cutout": c, "b": 7}) for c in (b"stamp", None, b"", b"x" * 300)]
    columns = {"": ["cutout@position", "cutout@length"]}
    table = PacketReader(schema, columns).read(payloads, starts=np.full(4, 2)).tables[""]
    found = [
        None if position is None else payload[position : position + length]
        for payload, position, length in zip(
            payloads, table["cutout@position"].to_pylist(), table["cutout@length"].to_pylist(), strict=True
        )
    ]
    assert found == [b"stamp", None, b"", b"x" * 300]
    assert table.schema.types == [pa.int32(), pa.int64(), pa.int64()]


def test_presence_of_nullable_records() -> None:
    inner = {"type": "record", "name": "inner", "fields": [{"name": "x", "type": ["null", "double"]}]}
    schema = record(a=["null", inner])
    table = PacketReader(schema, {"": ["a", "a.x"]}).read(
        [write(schema, {"a": a}) for a in (None, {"x": None}, {"x": 1.5})]
    )
    assert table.tables[""].to_pydict() == {"packet": [0, 1, 2], "a": [False, True, True], "a.x": [None, None, 1.5]}


def test_logical_types() -> None:
    schema = record(
        date={"type": "int", "logicalType": "date"},
        milli=["null", {"type": "long", "logicalType": "timestamp-millis"}],
        micro={"type": "long", "logicalType": "timestamp-micros"},
        time={"type": "long", "logicalType": "time-micros"},
        price=["null", {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}],
        share={"type": "fixed", "name": "f", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 3},
        odd={"type": "string", "logicalType": "unheard-of"},
    )
    plain = json.loads(json.dumps(schema).replace("logicalType", "ignored"))
    datum: dict[str, Any] = {"date": 19000, "milli": 1_700_000_000_123, "micro": -5, "time": 86_399_999_999}
    datum |= {"price": (-12345).to_bytes(2, "big", signed=True), "share": (7).to_bytes(4, "big"), "odd": "x"}
    payloads = [write(plain, datum), write(plain, datum | {"milli": None, "price": None})]
    decoded = PacketReader(schema).read(payloads)
    for row, expected in enumerate(read(schema, payload) for payload in payloads):
        assert {n: decoded.tables[""][n][row].as_py() for n in expected} == expected
    assert decoded.tables[""].schema.field("milli").type == pa.timestamp("ms", "UTC")


def test_a_decimal_with_too_many_digits_fails_alone() -> None:
    schema = record(price={"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 0})
    decoded = PacketReader(schema).read([b"\x02\x05", b"\x04\x7f\xff", b"\x02\x06"])
    assert decoded.tables[""].to_pydict()["packet"] == [0, 2]
    assert [(f.packet, f.reason) for f in decoded.failures] == [(1, "price: a decimal of more than 2 digits")]


# Hostile bytes

WIDE = record(
    a="long",
    b=["null", "double"],
    c=["null", "string"],
    d={"type": "array", "items": {"type": "record", "name": "i", "fields": [{"name": "x", "type": ["null", "float"]}]}},
    e={"type": "map", "values": "bytes"},
    f=["null", "long", "string"],
    g={"type": "fixed", "name": "g", "size": 3},
)
DATUM = {"a": 2**60, "b": 1.5, "c": "text", "d": [{"x": 1.0}, {"x": None}], "e": {"k": b"vv"}, "f": "s", "g": b"abc"}


def test_truncated_at_every_byte() -> None:
    payload = write(WIDE, DATUM)
    payloads = [payload[:k] for k in range(len(payload))]
    decoded = PacketReader(WIDE).read([*payloads, payload])
    assert [f.packet for f in decoded.failures] == list(range(len(payload)))
    assert all("byte" in f.reason for f in decoded.failures)
    assert_equal(WIDE, decoded, {len(payload): DATUM})


@pytest.mark.parametrize(
    ("schema", "payload", "reason"),
    [
        (record(a="long"), b"\x80" * 9 + b"\x02", "a variable-length number of more than ten bytes: byte 0 (a)"),
        (record(a="long"), b"\xff" * 30, "a variable-length number of more than ten bytes: byte 0 (a)"),
        (record(a="int"), b"\x80\x80\x80\x80\x20", "a number outside the range of its type: byte 0 (a)"),
        (record(a=["null", "int"]), b"\x04\x02", "no such branch of the union: byte 0 (a)"),
        (
            record(x="int", a=["null", "float"]),
            b"\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0",
            "no such branch of the union: byte 1 (a)",
        ),
        (record(a=["null", "int", "string"]), b"\x06\x02", "no such branch of the union: byte 0 (a)"),
        (record(a="bytes"), b"\x01", "a length that is negative or beyond the payload: byte 0 (a)"),
        (record(a="bytes"), b"\x10abc", "the datum continues beyond the end of the payload: byte 0 (a)"),
        (record(a="bytes"), b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", "the datum continues beyond the end"),
        (record(a="string"), b"\x04\xc3\x28", "a string that is not UTF-8: byte 1 (a)"),
        (record(a="string"), b"\x06\xed\xa0\x80", "a string that is not UTF-8: byte 1 (a)"),
        (record(a={"type": "array", "items": "double"}), b"\x80\x10", "an array with more items than remaining bytes"),
        (
            record(a={"type": "array", "items": "null"}),
            b"\xfe\xff\xff\xff\x0f\0",
            "more items in arrays than are allowed",
        ),
        (
            record(a={"type": "array", "items": "int"}),
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0",
            "more items in arrays",
        ),
        (record(a={"type": "array", "items": "int"}), b"\x01\x01\x02\0", "a length that is negative or beyond"),
        (record(a={"type": "array", "items": "int"}), b"\x01\x04\x02\0", "an array block that does not have the size"),
        (record(a={"type": "enum", "name": "e", "symbols": ["A"]}), b"\x02", "a number outside the range of its type"),
        (record(a="int"), b"\x02\x02", "bytes are left over after the datum: byte 1"),
    ],
)
def test_reasons(schema: Any, payload: bytes, reason: str) -> None:
    decoded = PacketReader(schema).read([payload])
    assert decoded.failures[0].reason.startswith(reason)
    assert all(table.num_rows == 0 for table in decoded.tables.values())


def test_bytes_left_over_only_matter_at_the_end() -> None:
    schema = record(a="int", b="string")
    assert PacketReader(schema, {"": ["a"]}).read([b"\x02"]).failures == []
    assert len(PacketReader(schema, {"": ["a"]}, to_end=True).read([b"\x02\x02xyz"]).failures) == 1
    decoded = PacketReader(schema, {"": ["a"]}, to_end=True).read([b"\x02\x02xyz"], ends=np.array([3]))
    assert decoded.tables[""].to_pydict() == {"packet": [0], "a": [1]}


def test_bounds_outside_the_payload() -> None:
    schema = record(a="int")
    payloads = [b"\0\x02"] * 5
    decoded = PacketReader(schema).read(payloads, starts=np.array([1, -1, 3, 1, 0]), ends=np.array([2, 2, 2, 9, -4]))
    assert [f.packet for f in decoded.failures] == [1, 2, 3, 4]
    with pytest.raises(ValueError, match="starts has the shape"):
        PacketReader(schema).read(payloads, starts=np.zeros(2, np.int64))
    with pytest.raises(TypeError, match="must be bytes"):
        PacketReader(schema).read(["no"])  # type: ignore[list-item]


def test_arrays_in_blocks_with_sizes() -> None:
    schema = record(
        a={"type": "array", "items": {"type": "record", "name": "i", "fields": [{"name": "x", "type": "string"}]}},
        b="int",
    )
    payload = b"\x01\x04\x02u" + b"\x04\x02v\x02w" + b"\x03\x08\x02x\x02y" + b"\0" + b"\x0a"
    decoded = PacketReader(schema).read([payload])
    assert decoded.failures == []
    assert decoded.tables["a"]["x"].to_pylist() == list("uvwxy")
    assert decoded.tables[""]["a@count"].to_pylist() == [5]
    assert PacketReader(schema, {"": ["b"]}).read([payload]).tables[""]["b"].to_pylist() == [5]


def test_growth() -> None:
    schema = record(
        a={"type": "array", "items": record(x=["null", "string"])["fields"][0]["type"]}, b=HISTORY["fields"][1]["type"]
    )
    source = {"flags": None, "notes": ["n"], "time": 1.0, "flux": None, "parts": [{"x": 1}] * 3}
    payloads = [write(schema, {"a": ["s", None] * k, "b": [source] * (k * 7)}) for k in range(60)]
    payloads[30] = payloads[30][:-1]
    decoded = PacketReader(schema).read(payloads)
    assert [f.packet for f in decoded.failures] == [30]
    assert_equal(schema, decoded, {k: read(schema, p) for k, p in enumerate(payloads) if k != 30})


def test_schemas_that_contain_themselves_or_explode() -> None:
    node = record(next=["null", "r"])
    with pytest.raises(UnsupportedSchema, match="contains itself"):
        PacketReader(node)
    bomb: Any = "int"
    for level in range(30):
        twice = [{"name": "a", "type": bomb}, {"name": "b", "type": f"n{level - 1}" if level else "int"}]
        bomb = {"type": "record", "name": f"n{level}", "fields": twice}
    with pytest.raises(UnsupportedSchema, match="too large"):
        PacketReader(bomb)
    with pytest.raises(UnsupportedSchema, match="is a record"):
        PacketReader("long")


def test_unknown_columns_are_named() -> None:
    with pytest.raises(ValueError, match=r"not in schema alert: table 'x', history\.fluxes"):
        PacketReader(HISTORY, {"x": [], "history": ["fluxes"]})


def test_threads_share_a_reader() -> None:
    reader = PacketReader(WIDE)
    payloads = [write(WIDE, DATUM | {"a": k, "d": [{"x": float(k)}] * (k % 9)}) for k in range(500)]
    first = reader.read(payloads)
    with ThreadPoolExecutor(2) as pool:
        for decoded in pool.map(reader.read, [payloads] * 20):
            assert decoded.tables == first.tables


def test_an_empty_batch_has_the_schema_of_a_full_one() -> None:
    reader = PacketReader(WIDE)
    full, empty = reader.read([write(WIDE, DATUM)]), reader.read([])
    assert {t: table.schema for t, table in empty.tables.items()} == {
        t: table.schema for t, table in full.tables.items()
    }
    assert all(table.num_rows == 0 for table in empty.tables.values())


# Records that look alike, for which layouts are remembered


def alike(generator: np.random.Generator, rows: int, null: float) -> list[dict[str, Any]]:
    """Records of which some have other fields null, longer numbers or other text than the ones before."""

    def some(value: Any) -> Any:
        return None if generator.random() < null else value

    return [
        {
            "id": int(generator.integers(2**57, 2**62)),
            "detector": int(generator.integers(0, 200)),
            "time": float(generator.normal()),
            "flux": some(float(np.float32(generator.normal()))),
            "band": some(str(generator.choice(["u", "g", "r", "long name", "é"]))),
            "flag": some(bool(generator.integers(2))),
            "count": some(int(generator.integers(-(2**31), 2**31))),
            "error": some(float(generator.normal())),
            "stamp": some(generator.bytes(int(generator.integers(3)))),
        }
        for _ in range(rows)
    ]


ALIKE = {
    "type": "record",
    "name": "source",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "detector", "type": "int"},
        {"name": "time", "type": "double"},
        {"name": "flux", "type": ["null", "float"]},
        {"name": "band", "type": ["null", "string"]},
        {"name": "flag", "type": ["boolean", "null"]},
        {"name": "count", "type": ["null", "int"]},
        {"name": "error", "type": ["double", "null"]},
        {"name": "stamp", "type": ["null", "bytes"]},
    ],
}


@pytest.mark.parametrize("null", [0.0, 0.02, 0.5])
@pytest.mark.parametrize("columns", [None, ["flux", "band", "count"], ["stamp@position", "stamp@length"], []])
def test_records_alike(null: float, columns: list[str] | None) -> None:
    generator = np.random.default_rng(20260101)
    schema = record(one=["null", ALIKE], many={"type": "array", "items": "source"}, maybe=["null", "source"], end="int")
    datums: list[dict[str, Any]] = [
        {
            "one": None if k % 5 == 0 else alike(generator, 1, null)[0],
            "many": alike(generator, int(generator.integers(0, 150)), null),
            "maybe": None if k % 3 else alike(generator, 1, null)[0],
            "end": k,
        }
        for k in range(40)
    ]
    payloads = [write(schema, datum) for datum in datums]
    payloads[20] = payloads[20][: len(payloads[20]) // 2]
    reader = PacketReader(
        schema, columns if columns is None else {"many": columns, "": ["one", "one.id", "maybe.count", "end"]}
    )
    good = {k: datum for k, datum in enumerate(datums) if k != 20}
    decoded = reader.read(payloads)
    assert [f.packet for f in decoded.failures] == [20]
    references = columns is not None and "stamp@position" in columns
    if references:
        table = decoded.tables["many"]
        found = [
            None if position is None else payloads[packet][position : position + length]
            for packet, position, length in zip(
                *(table[n].to_pylist() for n in ("packet", "stamp@position", "stamp@length")), strict=True
            )
        ]
        assert found == [source["stamp"] for datum in good.values() for source in datum["many"]]
        decoded.tables["many"] = table.select(["packet"])
    assert_equal(schema, decoded, good)
    packet = np.repeat(np.arange(40), [len(datum["many"]) for datum in datums])
    mask = generator.random(packet.size) < 0.3
    # The twentieth is cut, and where its items would end is not known.
    whole = PacketReader(schema, {"many": ["@end"]}, to_end=False).read([write(schema, datum) for datum in datums])
    end = whole.tables["many"]["@end"].to_numpy()
    newer = reader.read(payloads, keep={"many": Chosen.of(mask, end, packet, np.arange(40))})
    assert [f.packet for f in newer.failures] == [20]
    for k, datum in good.items():
        datum["many"] = list(compress(datum["many"], mask[packet == k]))
    if columns is None:
        newer.tables[""] = newer.tables[""].drop_columns("many@count")
    if references:
        newer.tables["many"] = newer.tables["many"].select(["packet"])
    assert_equal(schema, newer, good)


def test_single_bytes_changed_among_records_alike() -> None:
    """Every byte of a record in the midst, set to several values: what fastavro reads or a failure, nothing else."""
    generator = np.random.default_rng(7)
    schema = record(many={"type": "array", "items": ALIKE})
    payload = write(schema, {"many": alike(generator, 6, 0.1)})
    changed = [
        payload[:position] + bytes([value]) + payload[position + 1 :]
        for position in range(len(payload))
        for value in (0, 1, 2, 4, 0x7F, 0x80, 0xFF, payload[position] ^ 0x80)
    ]
    decoded = PacketReader(schema).read(changed)
    failed = {failure.packet for failure in decoded.failures}
    expected = {}
    for k, one in enumerate(changed):
        if k not in failed:
            expected[k] = read(schema, one)
    assert 0 < len(failed) < len(changed)
    assert_equal(schema, decoded, expected)
