"""Accounts, in a schema of their own: no role that runs users' SQL has a right in it.

The tables are not among those of the data model, which users may read.
"""

from __future__ import annotations

import sqlalchemy as sa

from broker_assets.database.tables.columns import bigint, column, flag, integer, text, timestamp

SCHEMA = "access"

access_metadata = sa.MetaData(
    schema=SCHEMA, naming_convention={"pk": "%(table_name)s_pkey", "uq": "%(table_name)s_%(column_0_N_name)s_key"}
)
"""The tables of accounts."""


def _identity(name: str, meaning: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), sa.Identity(always=False), primary_key=True, comment=meaning)


users = sa.Table(
    "users",
    access_metadata,
    _identity("userid", "identifier of the account"),
    text("username", "name, unique regardless of case", nullable=False),
    text("email", "address for messages", nullable=False, server_default=""),
    text("password", "hash of the password with its method; empty: no log-in by password", nullable=False),
    column("roles", sa.ARRAY(sa.Text()), "what the account may do besides what every account may", nullable=False),
    flag("active", "whether the account can be used", nullable=False, server_default=sa.true()),
    timestamp("date_joined", "when it was made", nullable=False, server_default=sa.func.now()),
    timestamp("last_login", "last log-in by password"),
    timestamp("date_removed", "when its owner was removed; the row remains so that the record of changes does"),
    sa.Index("users_username", sa.text("lower(username)"), unique=True),
    comment="Accounts",
)
"""Accounts."""

groups = sa.Table(
    "groups",
    access_metadata,
    _identity("groupid", "identifier of the group"),
    text("name", "name, unique regardless of case", nullable=False),
    sa.Index("groups_name", sa.text("lower(name)"), unique=True),
    comment="Groups of accounts",
)
"""Groups of accounts."""

memberships = sa.Table(
    "memberships",
    access_metadata,
    bigint("userid", "account", primary_key=True, autoincrement=False),
    bigint("groupid", "group", primary_key=True, autoincrement=False),
    comment="Which account is in which group",
)
"""Which account is in which group."""

tokens = sa.Table(
    "tokens",
    access_metadata,
    _identity("tokenid", "identifier of the token"),
    bigint("userid", "account", nullable=False),
    text("name", "what the token is for, unique for the account", nullable=False),
    text("scope", "read or write", nullable=False),
    text("sha256", "SHA-256 of the token, which is stored nowhere", nullable=False),
    timestamp("date_created", "when it was made", nullable=False, server_default=sa.func.now()),
    timestamp("date_expires", "when it ends; null: never"),
    timestamp("last_used", "last request with it, to the minute"),
    sa.UniqueConstraint("sha256"),
    sa.UniqueConstraint("userid", "name"),
    comment="API tokens of accounts",
)
"""API tokens."""

sessions = sa.Table(
    "sessions",
    access_metadata,
    text("sha256", "SHA-256 of the cookie, which is stored nowhere", primary_key=True),
    bigint("userid", "account", nullable=False),
    text("csrf", "value that requests of the session which change something must repeat", nullable=False),
    timestamp("date_created", "log-in", nullable=False, server_default=sa.func.now()),
    timestamp("last_used", "last request, to the minute", nullable=False, server_default=sa.func.now()),
    sa.Index("sessions_userid", "userid"),
    comment="Log-ins of browsers and of programs that log in as browsers do",
)
"""Log-ins."""

shares = sa.Table(
    "shares",
    access_metadata,
    text("kind", "filter, watchlist, area or annotator", primary_key=True),
    text("identifier", "its number, or the topic of an annotator", primary_key=True),
    bigint("groupid", "group whose members may see it", primary_key=True, autoincrement=False),
    comment="What owners share with groups",
)
"""What owners share with groups."""

mailed_links = sa.Table(
    "mailed_links",
    access_metadata,
    text("sha256", "SHA-256 of the secret in the link, which is stored nowhere", primary_key=True),
    bigint("userid", "account that it is for; null: nobody has the address that was given, and nothing was sent"),
    text("purpose", "password or activation", nullable=False),
    text("address", "network address that asked for it", nullable=False),
    timestamp("date_created", "when it was asked for", nullable=False, server_default=sa.func.now()),
    timestamp("date_expires", "when it ends", nullable=False),
    timestamp("date_used", "when it was used, which it can be once"),
    sa.Index("mailed_links_address", "address", "date_created"),
    sa.Index("mailed_links_userid", "userid"),
    comment="Links that were sent by e-mail: to set a password, to activate an account",
)
"""Links that were sent by e-mail."""

identities = sa.Table(
    "identities",
    access_metadata,
    text("issuer", "address of the OpenID Connect provider", primary_key=True),
    text("subject", "its identifier of the person", primary_key=True),
    bigint("userid", "account", nullable=False),
    timestamp("date_created", "first log-in", nullable=False, server_default=sa.func.now()),
    sa.Index("identities_userid", "userid"),
    comment="Persons of OpenID Connect providers, and their accounts",
)
"""Persons of OpenID Connect providers."""

failed_guesses = sa.Table(
    "failed_guesses",
    access_metadata,
    _identity("guessid", "identifier"),
    text("username", "account that was tried, in lower case", nullable=False),
    text("address", "network address that tried", nullable=False),
    timestamp("at", "when", nullable=False, server_default=sa.func.now()),
    sa.Index("failed_guesses_username", "username", "at"),
    sa.Index("failed_guesses_address", "address", "at"),
    comment="Wrong passwords of the last minutes",
)
"""Wrong passwords of the last minutes."""

key_pairs = sa.Table(
    "key_pairs",
    access_metadata,
    bigint("userid", "account", primary_key=True, autoincrement=False),
    text("passwordsha256", "SHA-256 of the hash of the password with which the pair is used", nullable=False),
    text("publickey", "public RSA key, PEM", nullable=False),
    text("privatekey", "private RSA key, encrypted with the password (AES-GCM), base64", nullable=False),
    text("salt", "salt of the key that is derived from the password (PBKDF2), base64", nullable=False),
    text("iv", "initialisation vector of the encryption, base64", nullable=False),
    timestamp("date_created", "when the pair was made", nullable=False, server_default=sa.func.now()),
    comment="Pairs of keys of accounts, for the log-in by a challenge",
)
"""Pairs of keys of accounts."""

login_challenges = sa.Table(
    "login_challenges",
    access_metadata,
    text("sha256", "SHA-256 of the cookie of who asked, which is stored nowhere", primary_key=True),
    text("username", "account that was named, in lower case", nullable=False),
    bigint("userid", "that account; null: there is none that could log in so"),
    text("response", "SHA-256 of the right answer", nullable=False),
    text("address", "network address that asked", nullable=False),
    timestamp("date_expires", "when it ends, and counts as a wrong guess", nullable=False),
    sa.Index("login_challenges_username", "username"),
    sa.Index("login_challenges_address", "address"),
    sa.Index("login_challenges_date_expires", "date_expires"),
    comment="Challenges that were given and not answered yet",
)
"""Challenges that were not answered yet."""

requests = sa.Table(
    "requests",
    access_metadata,
    bigint("userid", "account", primary_key=True, autoincrement=False),
    timestamp("minute", "start of the minute", primary_key=True),
    integer("count", "requests in it", nullable=False),
    comment="Requests of each account in the last hour, by minute",
)
"""Requests of each account in the last hour."""

changes = sa.Table(
    "changes",
    access_metadata,
    _identity("changeid", "identifier"),
    timestamp("at", "when", nullable=False, server_default=sa.func.now()),
    bigint("userid", "account that made the change; null: the command line of the operator"),
    text("action", "what was done, as `user added`", nullable=False),
    text("subject", "to what", nullable=False),
    text("details", "more about it; never a secret", nullable=False, server_default=""),
    comment="Who changed what",
)
"""Who changed what."""
