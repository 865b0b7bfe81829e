"""Log-in roles."""

from __future__ import annotations

import pytest
from sqlalchemy.engine import make_url

from broker_assets.database import engine
from broker_assets.database.roles import create_role

pytestmark = pytest.mark.database


def test_a_role_is_created_once_and_gets_the_new_password(database_url: str) -> None:
    wanted = make_url(database_url).set(username="roles_of_tests", password="it's")
    with engine.connect(database_url) as connection, connection.transaction():
        create_role(connection, wanted)
        again = create_role(connection, wanted.set(password='new"'))
        assert again.as_string(connection) == '"roles_of_tests"'
        row = connection.execute(
            "SELECT rolsuper, rolcanlogin, rolcreatedb FROM pg_roles WHERE rolname = 'roles_of_tests'"
        ).fetchone()
        assert row == (False, True, False)
        connection.execute("DROP ROLE roles_of_tests")
