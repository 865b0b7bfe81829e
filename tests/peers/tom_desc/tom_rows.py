"""Rows of tables as objects with the few idioms of Django that the tests of DESC's TOM use; see `README.md`.

A class names its table and key; `objects` of it are lazy sets: `filter`, `exclude`, `order_by`, `get`, `first`, slices,
`len`, `count`, iteration, `delete`. Nothing here knows what the tables mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final, Self, overload

import tom_connection
from psycopg import sql
from psycopg.rows import dict_row

_COMPARISONS: Final = {"exact": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class ObjectDoesNotExist(LookupError):
    """No row is as it was asked for."""


class MultipleObjectsReturned(LookupError):
    """More than one row is as it was asked for."""


class Options:
    """What a class knows of its table."""

    def __init__(self, table: str, key: str) -> None:
        self.db_table = table
        self.key = key


class Rows:
    """Rows that satisfy conditions; read when they are first looked at, and then kept."""

    def __init__(
        self, model: type[Model], where: tuple[sql.Composable, ...] = (), order: tuple[str, ...] = (),
        start: int = 0, stop: int | None = None,
    ) -> None:  # fmt: skip
        self.model = model
        self._where, self._order, self._start, self._stop = where, order, start, stop
        self._found: list[Model] | None = None

    # Sets ---------------------------------------------------------------------------------------------------------

    def all(self) -> Rows:
        """The same, read again."""
        return self._changed()

    def filter(self, **wanted: Any) -> Rows:
        """Those that also satisfy `column=value`, `column__in=values` or another comparison."""
        return self._changed(where=(*self._where, *(self._condition(key, value) for key, value in wanted.items())))

    def exclude(self, **unwanted: Any) -> Rows:
        """Those that do not satisfy all of these."""
        conditions = [self._condition(key, value) for key, value in unwanted.items()]
        excluded = sql.SQL("({}) IS NOT TRUE").format(sql.SQL(" AND ").join(conditions))
        return self._changed(where=(*self._where, excluded))

    def order_by(self, *columns: str) -> Rows:
        """In another order; `-` before a column descends."""
        return self._changed(order=columns)

    def _changed(self, **changes: Any) -> Rows:
        values: dict[str, Any] = {
            "where": self._where,
            "order": self._order,
            "start": self._start,
            "stop": self._stop,
        } | changes
        return Rows(self.model, **values)

    def _condition(self, key: str, value: Any) -> sql.Composable:
        name, _, comparison = key.partition("__")
        column = sql.Identifier(self.model._column(name))
        if comparison == "in":
            values = [_plain(item) for item in value]
            return sql.SQL("{} = ANY({})").format(column, sql.Literal(values)) if values else sql.SQL("false")
        if comparison == "isnull" or value is None:
            absent = bool(value) if comparison == "isnull" else True
            return sql.SQL("{} IS NULL" if absent else "{} IS NOT NULL").format(column)
        operator = _COMPARISONS.get(comparison or "exact")
        if operator is None:
            raise TypeError(f"{comparison} is not one of the comparisons that the tests use")
        return sql.SQL("{} " + operator + " {}").format(column, sql.Literal(_plain(value)))  # type: ignore[operator]

    # Rows ---------------------------------------------------------------------------------------------------------

    def get(self, **wanted: Any) -> Any:
        """The one row."""
        found = list(self.filter(**wanted)[:2])
        if not found:
            raise self.model.DoesNotExist(f"{self.model.__name__} matching query does not exist.")
        if len(found) > 1:
            raise self.model.MultipleObjectsReturned(f"more than one {self.model.__name__} for {wanted}")
        return found[0]

    def first(self) -> Any:
        """The first row, by the key unless they have an order; None if there is none."""
        return next(iter(self._by_default()[:1]), None)

    def last(self) -> Any:
        """The last row; None if there is none."""
        return next(reversed(list(self._by_default())), None)

    def _by_default(self) -> Rows:
        return self if self._order else self.order_by("pk")

    def exists(self) -> bool:
        """Whether there is any."""
        return self.first() is not None

    def count(self) -> int:
        """How many there are."""
        if self._found is not None:
            return len(self._found)
        query = sql.SQL("SELECT count(*) FROM ({}) AS counted").format(self._query(sql.SQL("1")))
        row = tom_connection.connection().execute(query).fetchone()
        return int(row[0]) if row is not None else 0

    def values_list(self, *columns: str, flat: bool = False) -> list[Any]:
        """Values of columns: tuples, or of one column, flat."""
        rows = [tuple(getattr(row, self.model._column(name)) for name in columns) for row in self]
        return [row[0] for row in rows] if flat else rows

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete them, with what refers to them; gives how many of their own table were deleted."""
        if self._start or self._stop is not None:
            raise TypeError("a slice cannot be deleted")
        query = sql.SQL("DELETE FROM {} {}").format(sql.Identifier(self.model._meta.db_table), self._conditions())
        number = tom_connection.connection().execute(query).rowcount
        self._found = None
        return number, {self.model.__name__: number}

    def _conditions(self) -> sql.Composable:
        return sql.SQL("WHERE {}").format(sql.SQL(" AND ").join(self._where)) if self._where else sql.SQL("")

    def _query(self, columns: sql.Composable) -> sql.Composable:
        parts = [
            sql.SQL("SELECT {} FROM {}").format(columns, sql.Identifier(self.model._meta.db_table)),
            self._conditions(),
        ]
        if self._order:
            order = [
                sql.Identifier(self.model._column(name.lstrip("-"))) + sql.SQL(" DESC" if name[0] == "-" else "")
                for name in self._order
            ]
            parts.append(sql.SQL("ORDER BY {}").format(sql.SQL(", ").join(order)))
        if self._stop is not None:
            parts.append(sql.SQL("LIMIT {}").format(sql.Literal(max(self._stop - self._start, 0))))
        if self._start:
            parts.append(sql.SQL("OFFSET {}").format(sql.Literal(self._start)))
        return sql.SQL(" ").join(parts)

    def _read(self) -> list[Model]:
        if self._found is None:
            with tom_connection.connection().cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(sql.Composed([self._query(sql.SQL("*"))])).fetchall()
            self._found = [self.model(**row) for row in rows]
        return self._found

    def __iter__(self) -> Iterator[Any]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __bool__(self) -> bool:
        return bool(self._read())

    @overload
    def __getitem__(self, wanted: int) -> Any: ...

    @overload
    def __getitem__(self, wanted: slice) -> Any: ...

    def __getitem__(self, wanted: int | slice) -> Any:
        if self._found is not None:
            return self._found[wanted]
        if isinstance(wanted, int):
            found = list(self._part(wanted, wanted + 1))
            if not found:
                raise IndexError(f"there is no row {wanted}")
            return found[0]
        part = self._part(wanted.start or 0, wanted.stop)
        return list(part)[:: wanted.step] if wanted.step is not None else part

    def _part(self, start: int, stop: int | None) -> Rows:
        if start < 0 or (stop is not None and stop < 0):
            raise ValueError("negative places need an order of their own")
        ends = [end for end in (self._stop, None if stop is None else self._start + stop) if end is not None]
        return self._changed(start=self._start + start, stop=min(ends) if ends else None)


class _Objects:
    """The rows of the class that it is asked of."""

    def __get__(self, instance: object, owner: type[Model]) -> Rows:
        return Rows(owner)


class Model:
    """A row: its columns are attributes."""

    _meta: ClassVar[Options]
    objects: ClassVar[_Objects] = _Objects()
    references: ClassVar[dict[str, str]] = {}
    """Names of references, and the classes they lead to; their columns end in `_id`."""
    DoesNotExist: ClassVar[type[ObjectDoesNotExist]] = ObjectDoesNotExist
    MultipleObjectsReturned: ClassVar[type[MultipleObjectsReturned]] = MultipleObjectsReturned

    def __init_subclass__(cls, *, table: str = "", key: str = "id") -> None:
        super().__init_subclass__()
        if not table:
            return
        cls._meta = Options(table, key)
        cls.DoesNotExist = type("DoesNotExist", (ObjectDoesNotExist,), {})
        cls.MultipleObjectsReturned = type("MultipleObjectsReturned", (MultipleObjectsReturned,), {})

    def __init__(self, **columns: Any) -> None:
        self.__dict__.update(columns)

    @classmethod
    def _column(cls, name: str) -> str:
        if name == "pk":
            return cls._meta.key
        return f"{name}_id" if name in cls.references else name

    @property
    def pk(self) -> Any:
        """The key."""
        return getattr(self, self._meta.key)

    def __getattr__(self, name: str) -> Any:
        # Only what a row has not as a column arrives here: the row that a reference leads to.
        if name.startswith("_") or name not in type(self).references:
            raise AttributeError(f"{type(self).__name__} has no {name}")
        number = self.__dict__.get(f"{name}_id")
        model: type[Model] = next(
            one for one in _descendants(Model)
            if one.__name__ == self.references[name] and one.__module__ == type(self).__module__
        )  # fmt: skip
        return None if number is None else model.objects.get(pk=number)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete this row."""
        return type(self).objects.filter(pk=self.pk).delete()

    def refresh_from_db(self) -> Self:
        """Read this row again."""
        self.__dict__.update(type(self).objects.get(pk=self.pk).__dict__)
        return self

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, Model) and other.pk == self.pk

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.pk))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__dict__.get(self._meta.key)}>"


def _descendants(model: type[Model]) -> Iterator[type[Model]]:
    for child in model.__subclasses__():
        yield child
        yield from _descendants(child)


def _plain(value: Any) -> Any:
    return value.pk if isinstance(value, Model) else value.item() if hasattr(value, "item") else value
