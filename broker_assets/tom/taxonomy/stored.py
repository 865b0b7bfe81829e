"""Stored taxonomies: all versions are kept, and one of each taxonomy is in force."""

from __future__ import annotations

from typing import Any

import psycopg

from broker_assets.tom.taxonomy.hierarchy import Taxonomy, TaxonomyError

Connection = psycopg.Connection[Any]


def in_force(connection: Connection, name: str) -> tuple[int, Taxonomy]:
    """The version in force: its number and its content.

    Raises
    ------
    TaxonomyError
        If there is no taxonomy with this name.
    """
    row = connection.execute(
        "SELECT version FROM taxonomy_versions WHERE taxonomy = %s AND in_force", (name,)
    ).fetchone()
    if row is None:
        raise TaxonomyError(f"no version of the taxonomy {name!r} is in force")
    return row[0], read_version(connection, name, row[0])


def read_version(connection: Connection, name: str, version: int) -> Taxonomy:
    """The content of a version.

    Raises
    ------
    TaxonomyError
        If there is no such version.
    """
    rows = connection.execute(
        "SELECT class.classid, class.parent, class.description, array_remove(array_agg(gentype), NULL)"
        " FROM taxonomy_classes AS class LEFT JOIN taxonomy_exact USING (taxonomy, version, classid)"
        " WHERE taxonomy = %s AND version = %s GROUP BY 1, 2, 3 ORDER BY 1",
        (name, version),
    ).fetchall()
    if not rows:
        raise TaxonomyError(f"there is no version {version} of the taxonomy {name!r}")
    keys = ("classid", "parent", "description", "gentypes")
    return Taxonomy.of(name, [dict(zip(keys, row, strict=True)) for row in rows])


def store_version(connection: Connection, taxonomy: Taxonomy, *, comment: str = "", adopt: bool = True) -> int:
    """Store a version, unless the newest one is equal, and put it in force.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    taxonomy : Taxonomy
        Content of the version.
    comment : str
        Reason for the change.
    adopt : bool
        Whether it is in force from now on. Everything computed from the earlier one becomes stale: the digest is the
        version of an input of roll-ups and metrics.

    Returns
    -------
    int
        Its number.
    """
    with connection.transaction():
        # One writer at a time; readers do not wait.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('taxonomy'), hashtext(%s))", (taxonomy.name,))
        row = connection.execute(
            "SELECT version, digest FROM taxonomy_versions WHERE taxonomy = %s ORDER BY version DESC LIMIT 1",
            (taxonomy.name,),
        ).fetchone()
        version, digest = row if row is not None else (0, "")
        if digest != taxonomy.digest:
            version += 1
            _insert(connection, taxonomy, version, comment)
        if adopt:
            connection.execute(
                "UPDATE taxonomy_versions SET in_force = false WHERE taxonomy = %s AND in_force AND version <> %s",
                (taxonomy.name, version),
            )
            connection.execute(
                "UPDATE taxonomy_versions SET in_force = true WHERE taxonomy = %s AND version = %s",
                (taxonomy.name, version),
            )
    return int(version)


def _insert(connection: Connection, taxonomy: Taxonomy, version: int, comment: str) -> None:
    name = taxonomy.name
    connection.execute(
        "INSERT INTO taxonomy_versions (taxonomy, version, digest, comment) VALUES (%s, %s, %s, %s)",
        (name, version, taxonomy.digest, comment),
    )
    classes = taxonomy.classes()
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO taxonomy_classes (taxonomy, version, classid, parent, description, level, exactmatch,"
            " categorymatch, generalmatch, broadmatch) VALUES (%(taxonomy)s, %(version)s, %(classid)s, %(parent)s,"
            " %(description)s, %(level)s, %(exactmatch)s, %(categorymatch)s, %(generalmatch)s, %(broadmatch)s)",
            [{**item, "taxonomy": name, "version": version} for item in classes],
        )
        for table, pairs in (("taxonomy_exact", taxonomy.exact()), ("taxonomy_matches", taxonomy.partial())):
            cursor.executemany(
                f"INSERT INTO {table} (taxonomy, version, id, classid, gentype) VALUES (%s, %s, %s, %s, %s)",  # noqa: S608
                [(name, version, place, *pair) for place, pair in enumerate(pairs, start=1)],
            )
