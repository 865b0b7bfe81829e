"""Accounts of dumps: what PostgreSQL and MySQL write is read, and what is truncated is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts, transfer
from broker_assets.access.accounts import BadAccount
from broker_assets.access.dumps import read_accounts
from broker_assets.backups.programs import Connection, Programs

ODD = ("O'Neil", 'a\\b"c', "tab\tnew\nline", "comma, (bracket); --", "ünï", "", "\\N", "it''s", "\\")
CREATE = (
    "CREATE TABLE auth_user (id int PRIMARY KEY, password varchar(128) NOT NULL, last_login timestamptz,"
    " is_superuser boolean NOT NULL, username varchar(150) NOT NULL, first_name text NOT NULL, last_name text NOT NULL,"
    " email text NOT NULL, is_staff boolean NOT NULL, is_active boolean NOT NULL, date_joined timestamptz NOT NULL)",
    "CREATE TABLE auth_group (id int PRIMARY KEY, name text NOT NULL)",
    "CREATE TABLE auth_user_groups (id int PRIMARY KEY, user_id int NOT NULL, group_id int NOT NULL)",
    "CREATE TABLE elasticc2_other (auth_user text)",
    "INSERT INTO elasticc2_other VALUES ('INSERT INTO auth_user VALUES (1)'), (E'x\\nCOPY auth_user (id) FROM stdin;')",
    "INSERT INTO auth_group VALUES (3, 'Public'), (7, 'AGN')",
)


@pytest.mark.database
@pytest.mark.parametrize("options", [[], ["--inserts"], ["--column-inserts", "--rows-per-insert=3"]])
def test_dumps_of_postgresql(new_database: Any, postgres: Any, tmp_path: Path, options: list[str]) -> None:
    with new_database() as name:
        with psycopg.connect(postgres.dsn(name), autocommit=True) as connection:
            for statement in CREATE:
                connection.execute(statement)  # type: ignore[arg-type]
            for number, text in enumerate(ODD, start=11):
                connection.execute(
                    "INSERT INTO auth_user VALUES (%s, '!', NULL, %s, %s, %s, %s, '', false, %s, now())",
                    (number, number == 12, f"user{number}", text, text, number != 13),
                )
                connection.execute("INSERT INTO auth_user_groups VALUES (%s, %s, 7)", (number, number))
        plain, packed = tmp_path / "dump.sql", tmp_path / "dump"
        programs, of = Programs(), Connection.of(postgres.url(name)).text
        programs.run("pg_dump", ["--no-owner", *options, "-f", plain, "-d", of])
        programs.run("pg_dump", ["-Fc", "-f", packed, "-d", of])
    file = tmp_path / "dump.sql.gz"
    file.write_bytes(gzip.compress(plain.read_bytes()))
    for path in (plain, file):
        rows = read_accounts(path)
        assert [row["first_name"] for row in rows] == list(ODD)
        assert [row["last_name"] for row in rows] == list(ODD)
        assert [row["id"] for row in rows] == list(range(11, 11 + len(ODD)))
        assert [row["is_superuser"] for row in rows] == [number == 12 for number in range(11, 11 + len(ODD))]
        assert [row["is_active"] for row in rows] == [number != 13 for number in range(11, 11 + len(ODD))]
        assert all(row["groups"] == ["AGN"] and row["last_login"] is None for row in rows)
    with pytest.raises(BadAccount, match="pg_restore -f"):
        read_accounts(packed)


MYSQL = r"""-- MySQL dump 10.19
/*!40101 SET NAMES utf8mb4 */;
CREATE TABLE `auth_user` (
  `id` int NOT NULL AUTO_INCREMENT,
  `username` varchar(150) NOT NULL,
  `password` varchar(128) NOT NULL,
  `is_staff` tinyint(1) NOT NULL,
  `last_login` datetime(6) DEFAULT NULL,
  `is_superuser` tinyint(1) NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB;
LOCK TABLES `auth_user` WRITE;
INSERT INTO `auth_user` VALUES (1,'gina','!',0,NULL,1),(2,'O\'Neil\\','!',1,'2024-01-01 00:00:00.000000',0),
(3,'it''s (a; b)','!',0,NULL,0);
INSERT INTO `auth_user` VALUES (4,_binary 'last','!',0,NULL,0);
UNLOCK TABLES;
INSERT INTO `auth_group` VALUES (9,'AGN');
INSERT INTO `auth_user_groups` (`user_id`, `id`, `group_id`) VALUES (4,1,9),(1,2,8);
"""


def test_dumps_of_mysql(tmp_path: Path) -> None:
    file = tmp_path / "dump.sql"
    file.write_text(MYSQL)
    rows = read_accounts(file)
    names = ["gina", "O'Neil\\", "it's (a; b)", "last"]
    assert [(row["id"], row["username"]) for row in rows] == list(enumerate(names, start=1))
    assert [(row["is_superuser"], row["is_staff"]) for row in rows] == [
        (True, False), (False, True), (False, False), (False, False),
    ]  # fmt: skip
    assert [row["groups"] for row in rows] == [[], [], [], ["AGN"]]
    # Without the statement that creates it, the columns are those of Django.
    file.write_text("INSERT INTO `auth_user` VALUES (5,'!',NULL,0,'ann','','','a@b.org',0,1,'2024-01-01');\n")
    assert [(row["id"], row["username"], row["email"]) for row in read_accounts(file)] == [(5, "ann", "a@b.org")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has no accounts"),
        (b"hello\n", "has no accounts"),
        (b"{", "is not JSON"),
        (b'{"username": "a"}', "list"),
        (b"\xff\xfa", "cannot be read"),
        (b"\xff\xfe", "has no accounts"),
        (gzip.compress(b"[]" * 1000, mtime=0)[:-9], "cannot be read"),
        (b"COPY public.auth_user (id, username) FROM stdin;\n1\ta\n", "truncated"),
        (b"COPY public.auth_user (id, username) FROM stdin;\n1\n\\.\n", "1 values, and there are 2 columns"),
        (b"INSERT INTO `auth_user` VALUES (1,'!',NULL", "has no end"),
        (b"INSERT INTO auth_user (id, username) VALUES (1, 'a');\nINSERT INTO auth_user (id) VALUES (1, 'a'", "no end"),
        (b"INSERT INTO auth_user (id) VALUES (1, 'a');\n", "2 values, and there are 1 columns"),
        (b'id,username\n1,"a\n', "line"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(BadAccount, match=says):
        read_accounts(file)


@pytest.mark.database
def test_rows_become_accounts(connection: psycopg.Connection[Any], tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text(
        "\ufeffid,username,email,password,is_superuser,is_active\r\n501,carl,carl@example.org,!,f,t\r\n502,dora,,!,1,\r\n"
        "503,emil,,!,false,f\r\nx,fred,,!,f,t\r\n504,gina,,argon2$argon2id$v=19$m=102400$bad,f,t\r\n"
    )
    done = transfer.take_over(connection, read_accounts(file))
    assert [(user.userid, user.username, user.administers) for user in done.added] == [
        (501, "carl", False), (502, "dora", True), (503, "emil", False),
    ]  # fmt: skip
    assert list(done.refused) == ["fred", "gina"]
    assert {user.username for user in accounts.every(connection) if user.active} == {"carl", "dora"}
    # The hash of Django's argon2 is that of argon2id under another name.
    ann = accounts.add(connection, "ann", "correct horse")
    document = transfer.export(connection)
    hashed = next(row["password"] for row in document if row["username"] == "ann")
    accounts.remove(connection, "ann")
    file.write_text(json.dumps([{"username": "ann2", "password": f"argon2{hashed}"}]))
    assert transfer.take_over(connection, read_accounts(file)).refused == {}
    assert accounts.log_in(connection, "ann2", "correct horse", "::1").userid > ann.userid
