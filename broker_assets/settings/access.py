"""Accounts as settings: the first administrator, keys, limits, and log-in at another provider.

The tree that they are part of is `settings`. Secrets come from the environment. Nothing here opens a connection.
"""

from __future__ import annotations

import datetime

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from broker_assets.instants import with_zone


class EarlierKey(BaseModel):
    """A signing key that was replaced."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: SecretStr
    """The key."""
    until: datetime.datetime
    """Time until which its signatures are recognised, with time zone."""

    @field_validator("until")
    @classmethod
    def _with_zone(cls, value: datetime.datetime) -> datetime.datetime:
        return with_zone(value)


class OpenIdSettings(BaseModel):
    """Log-in at a provider of OpenID Connect, in addition to passwords; off without an issuer."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    issuer: str | None = None
    """Address of the provider, `https://…`; its configuration is at `/.well-known/openid-configuration` below it."""
    client_id: str = ""
    """Our name at the provider."""
    client_secret: SecretStr | None = None
    """Our secret at the provider; unset for a public client."""
    name: str = "single sign-on"
    """Name on the button of the log-in page: log in with …"""
    scopes: str = "openid profile email"
    """Requested scopes, separated by blanks."""
    username_claim: str = "preferred_username"
    """Claim that names a new account."""
    create: bool = True
    """Whether an account is created for a person without one; otherwise an administrator binds them (`users bind`)."""
    seconds: float = Field(default=10.0, gt=0)
    """Time limit for each answer of the provider."""


class AccessSettings(BaseModel):
    """Accounts and what they may do."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    signing_key: SecretStr | None = None
    """Secret of at least 32 characters that signs links and log-ins: `openssl rand -hex 32`. Required where
    `server.public_hosts` is set; on one machine `broker-assets up` creates one."""
    earlier_signing_keys: list[EarlierKey] = Field(default_factory=list)
    """Keys that it replaced, each with the time until which it is recognised."""
    registration: bool = False
    """Whether anybody may create an account, which becomes active once its e-mail address is confirmed."""
    openid: OpenIdSettings = Field(default_factory=OpenIdSettings)
    """Log-in at a provider of OpenID Connect."""
    challenge_login: bool = True
    """Whether programs may log in by a challenge, as FASTDB's client does. Anybody who knows the name of an account
    then gets its key, encrypted with its password, and can try passwords without asking the server."""

    administrator: str = "admin"
    """Name of the first administrator."""
    administrator_password: SecretStr | None = None
    """Creates the first administrator before the services start, if no account has that name."""
    requests: int = Field(default=100, ge=1)
    """Maximum number of requests per hour of an account."""
    requests_power: int = Field(default=10_000, ge=1)
    """Maximum number of requests per hour of a power user."""
    rows: int = Field(default=10_000, ge=1)
    """Maximum number of rows of the answer to a query."""
    rows_power: int = Field(default=1_000_000, ge=1)
    """The same for a power user."""
    most_filters: int = Field(default=100, ge=1)
    """Maximum number of filters of an account; accounts with a role may have ten times as many, also of the
    following."""
    most_watchlists: int = Field(default=100, ge=1)
    """Maximum number of watchlists of an account."""
    most_cones: int = Field(default=1_000_000, ge=1)
    """Maximum number of cones in all watchlists of an account."""
    most_areas: int = Field(default=100, ge=1)
    """Maximum number of areas of an account."""
    most_targets: int = Field(default=10_000, ge=1)
    """Maximum number of targets of an account."""
    upload_bytes: int = Field(default=32 * 1024**2, ge=1024)
    """Maximum size of a file that is uploaded on a page, in bytes."""
