"""How streams are accessed, as settings: Kafka clusters, schema registries, and the streams on them.

The sections of the settings belong here, with what a section inherits from the top-level one. `settings.origins`
combines what is given in several places, the tree that they are part of is `settings`, and `resources.kafka` and
`resources.decoders` connect with these values. Nothing here opens a connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

Survey = Literal["rubin", "ztf", "elasticc"]
Framing = Literal["confluent", "container", "bare"]
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]

MIRROR_GROUP = "broker-assets"
"""Consumer group under which committed positions are shown unless the settings name another."""

# Unknown names are refused, since a misspelt credential would be silently absent; input is kept out of the messages,
# since it may be a secret.
_STRICT = ConfigDict(extra="forbid", hide_input_in_errors=True)


class SecretFileError(ValueError):
    """A file that should hold a secret cannot be read; the message names the file, never its content."""


class RegistrySettings(BaseModel):
    """A schema registry that speaks Confluent's protocol."""

    model_config = _STRICT

    url: str | None = None
    """Its address; a user and password in it are removed and used as credentials."""
    username: SecretStr | None = None
    """User of basic authentication."""
    username_file: Path | None = None
    """File that holds the user, in place of `username`."""
    password: SecretStr | None = None
    """Password of basic authentication."""
    password_file: Path | None = None
    """File that holds the password, in place of `password`."""
    ca_file: Path | None = None
    """Certificates (PEM) against which its certificate is checked; default: those of the system."""

    @model_validator(mode="before")
    @classmethod
    def _take_credentials_out_of_the_url(cls, values: Any) -> Any:
        url = values.get("url") if isinstance(values, dict) else None
        if url == "":
            return values | {"url": None}
        if not isinstance(url, str) or "@" not in urlsplit(url).netloc:
            return values
        parts = urlsplit(url)
        userinfo, _, host = parts.netloc.rpartition("@")
        user, _, password = userinfo.partition(":")
        found = {"username": SecretStr(unquote(user)), "password": SecretStr(unquote(password))}
        if any(values.get(name) for name in (*found, "username_file", "password_file")):
            raise ValueError("the schema registry has credentials in its URL and in other settings: give them once")
        return values | found | {"url": urlunsplit(parts._replace(netloc=host))}

    @model_validator(mode="after")
    def _check(self) -> Self:
        _once(self, "username", "password")
        if _given(self, "username") != _given(self, "password"):
            raise ValueError("the schema registry needs a user and a password, or neither")
        return self

    def credentials(self) -> tuple[str, str] | None:
        """User and password, or None if the registry requires none.

        Raises
        ------
        SecretFileError
            If a file that should hold one cannot be read.
        """
        user = _revealed(self.username, self.username_file)
        return None if user is None else (user, _revealed(self.password, self.password_file) or "")


class ClusterSettings(BaseModel):
    """A Kafka cluster and our credentials for it; what a stream's section does not set comes from the top-level one."""

    model_config = _STRICT

    bootstrap_servers: str | None = None
    """`host:port,…`; if no section has any, the embedded broker is started."""
    security_protocol: SecurityProtocol | None = None
    """How the connection is protected; default: PLAINTEXT."""
    sasl_mechanism: str | None = None
    """How the user is authenticated: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER."""
    username: SecretStr | None = None
    """SASL user or API key."""
    username_file: Path | None = None
    """File that holds the user, in place of `username`."""
    password: SecretStr | None = None
    """SASL password or API secret."""
    password_file: Path | None = None
    """File that holds the password, in place of `password`; read when a connection is opened."""
    ca_file: Path | None = None
    """Certificates (PEM) against which the brokers' certificates are checked; default: those of the system."""
    certificate_file: Path | None = None
    """Our own certificate (PEM), if the cluster requires one."""
    key_file: Path | None = None
    """Private key (PEM) of our certificate."""
    key_password: SecretStr | None = None
    """Password of the private key."""
    key_password_file: Path | None = None
    """File that holds the password of the private key, in place of `key_password`."""
    group: str | None = None
    """Consumer group under which committed positions are shown to external monitoring; default: `broker-assets`."""
    client: dict[str, str] = Field(default_factory=dict)
    """Further librdkafka properties (`socket.timeout.ms`, …); those that have a field of their own are moved to it."""
    client_secrets: dict[str, SecretStr] = Field(default_factory=dict)
    """Further librdkafka properties that are never shown (`sasl.oauthbearer.client.secret`, …)."""
    registry: RegistrySettings = Field(default_factory=RegistrySettings)
    """Where the schemas of the messages are."""

    @field_validator("bootstrap_servers", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None

    @field_validator("security_protocol", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _sort_client_properties(cls, values: Any) -> Any:
        """Move properties of `client` to the equivalent fields, and secret ones to where they stay hidden."""
        client = values.get("client") if isinstance(values, dict) else None
        if not isinstance(client, dict) or not client:
            return values
        values, left = dict(values), {}
        hidden = dict(values.get("client_secrets") or {})
        for name, value in client.items():
            field = _FIELDS.get(name)
            if field is not None:
                if values.get(field) is not None:
                    raise ValueError(f"client property {name} and {field} mean the same: give one of them")
                values[field] = value
            elif _SECRET.search(name):
                hidden.setdefault(name, value)
            else:
                left[name] = value
        return values | {"client": left, "client_secrets": hidden}

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        _once(self, "username", "password", "key_password")
        return self

    def inheriting(self, base: ClusterSettings) -> ClusterSettings:
        """This section, with what it does not set taken from another.

        A section with bootstrap servers other than those of `base` is another cluster: credentials must not be sent
        there, so that nothing about security and no registry is inherited, only the group and the other client
        properties.

        Examples
        --------
        >>> ours = ClusterSettings(bootstrap_servers="kafka:9092", security_protocol="SSL", group="lsst")
        >>> ClusterSettings().inheriting(ours).security_protocol
        'SSL'
        >>> theirs = ClusterSettings(bootstrap_servers="ztf:9092").inheriting(ours)
        >>> theirs.security_protocol, theirs.group
        (None, 'lsst')
        """
        same = self.bootstrap_servers in (None, base.bootstrap_servers)
        found: dict[str, Any] = {"group": self.group or base.group}
        inherited = {name: value for name, value in base.client.items() if same or not _SECURITY.match(name)}
        found["client"] = inherited | self.client
        if same:
            found["client_secrets"] = base.client_secrets | self.client_secrets
            for name in ("bootstrap_servers", "security_protocol", "sasl_mechanism", *_PATHS):
                found[name] = getattr(self, name) if getattr(self, name) is not None else getattr(base, name)
            for name in ("username", "password", "key_password"):
                source = self if _given(self, name) else base
                found |= {part: getattr(source, part) for part in (name, f"{name}_file")}
            if self.registry.url is None:
                found["registry"] = _registry(self.registry, base.registry)
        # Not `model_copy`: `self` may be a section with more fields than a cluster has.
        return ClusterSettings.model_construct(
            **{name: found.get(name, getattr(self, name)) for name in ClusterSettings.model_fields}
        )

    def check(self) -> None:
        """Refuse settings that cannot work; to be called on a section that has inherited.

        Raises
        ------
        ValueError
            The message says what is missing or would not be used.
        """
        protocol = self.security_protocol or "PLAINTEXT"
        sasl, tls = protocol.startswith("SASL_"), protocol.endswith("SSL")
        user, password = _given(self, "username"), _given(self, "password")
        if (user or password) and not sasl:
            raise ValueError(
                f"a user or password is given, but would not be used: security_protocol is {protocol}, and must be "
                "SASL_SSL or SASL_PLAINTEXT"
            )
        if user != password:
            raise ValueError("a password needs its user" if password else "a user needs its password")
        if user and self.sasl_mechanism is None:
            raise ValueError("sasl_mechanism is missing (PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512)")
        if sasl and not user and (self.sasl_mechanism or "").upper().startswith(("PLAIN", "SCRAM")):
            raise ValueError(f"the mechanism {self.sasl_mechanism} needs username and password")
        if not tls and any(getattr(self, name) is not None for name in _PATHS):
            raise ValueError(
                f"certificates are given, but would not be used: security_protocol is {protocol}, and must be SSL or "
                "SASL_SSL"
            )
        known = {*self.client, *self.client_secrets}
        if (self.certificate_file is None) != (self.key_file is None) and not any(_PEM.match(name) for name in known):
            raise ValueError("certificate_file and key_file belong together: give both or neither")

    def properties(self) -> dict[str, str]:
        """The librdkafka properties of the section, secrets in the clear; without the bootstrap servers.

        Raises
        ------
        SecretFileError
            If a file that should hold a secret cannot be read.
        """
        found: dict[str, str | None] = dict(self.client)
        found |= {name: value.get_secret_value() for name, value in self.client_secrets.items()}
        found |= {
            "security.protocol": self.security_protocol,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": _revealed(self.username, self.username_file),
            "sasl.password": _revealed(self.password, self.password_file),
            "ssl.ca.location": _text(self.ca_file),
            "ssl.certificate.location": _text(self.certificate_file),
            "ssl.key.location": _text(self.key_file),
            "ssl.key.password": _revealed(self.key_password, self.key_password_file),
        }
        return {name: value for name, value in found.items() if value is not None}

    @property
    def files(self) -> list[Path]:
        """Return every file that the section names."""
        named = ("username_file", "password_file", "key_password_file", *_PATHS)
        found = [getattr(self, name) for name in named]
        found += [getattr(self.registry, name) for name in ("username_file", "password_file", "ca_file")]
        return [path for path in found if path is not None]


class KafkaSettings(ClusterSettings):
    """The Kafka of every stream that names no other, and the values that their sections inherit."""

    embedded: Literal["auto", "kafka", "tansu"] = "auto"
    """Which embedded broker: with `auto`, Apache Kafka where Java and its jars are available, else Tansu."""


class StreamSettings(BaseModel):
    """One alert stream: a topic on a Kafka cluster, and how its messages are read."""

    model_config = _STRICT

    name: str = ""
    """Its name in tables, archive, asset keys and metrics; default: the topic. Positions are kept under it, so that a
    stream that moves to another cluster needs another name."""
    topic: str
    """Kafka topic."""
    survey: Survey
    framing: Framing
    kafka: ClusterSettings = Field(default_factory=ClusterSettings)
    """Its cluster, credentials and registry; what is not set here comes from the top-level section `kafka`."""
    registry_url: str | None = None
    """The same as `kafka.registry.url`."""
    schemas: str | None = None
    """File or folder of Avro schemas, for framings that carry none when no registry is to be used."""
    partitions_per_run: int = Field(default=8, ge=1)
    """How many Kafka partitions one drain run owns."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self.name = checked_name(self.name or self.topic)
        registry = self.kafka.registry
        if self.registry_url:
            if registry.url is not None:
                raise ValueError("registry_url and kafka.registry.url mean the same: give one of them")
            registry = RegistrySettings(**(dict(registry) | {"url": self.registry_url}))
            # The dictionary from which this section was made may be shared with another stream.
            self.kafka = self.kafka.model_copy(update={"registry": registry})
            self.registry_url = registry.url
        return self


class PubSubSettings(BaseModel):
    """A Google Cloud project whose subscriptions are read with the REST interface of Pub/Sub."""

    model_config = _STRICT

    project: str = Field(pattern=r"^[a-z][a-z0-9.:-]{4,62}$")
    """Identifier of the project that has the subscriptions."""
    url: str = Field(default="https://pubsub.googleapis.com", pattern=r"^https?://\S+[^/]$")
    """Address of the service; that of an emulator begins with `http:`, and credentials are never sent to it."""
    credentials_file: Path | None = None
    """Key of a service account (JSON); default: Google's default credentials of the machine."""
    pull_seconds: float = Field(default=5.0, gt=0, le=90)
    """Time to wait for messages; a service without messages keeps a request open."""


@dataclass(frozen=True)
class StreamLocation:
    """Where the messages of a stream are."""

    name: str
    """Name of the stream in our tables."""
    topic: str
    """Kafka topic, or subscription."""
    cluster: ClusterSettings
    """Its cluster, with everything inherited."""
    pubsub: PubSubSettings | None = None
    """Where the subscription is, if it is one."""


def checked_name(name: str) -> str:
    """Return the name of a stream if it can be used as a folder, an asset key and an environment variable.

    Raises
    ------
    ValueError
        If it cannot be used.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name) or not env_key(name):
        raise ValueError(f"{name!r} cannot be the name of a stream: letters, digits, '.', '_' and '-' can be in it")
    return name


def env_key(name: str) -> str:
    """How environment variables write the name of a stream, in lower case.

    Examples
    --------
    >>> env_key("rubin-alerts")
    'rubin_alerts'
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


_PATHS = ("ca_file", "certificate_file", "key_file")
_FIELDS = {
    "bootstrap.servers": "bootstrap_servers",
    "group.id": "group",
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "username",
    "sasl.password": "password",
    "ssl.ca.location": "ca_file",
    "ssl.certificate.location": "certificate_file",
    "ssl.key.location": "key_file",
    "ssl.key.password": "key_password",
}
_SECURITY = re.compile(r"(security|sasl|ssl|enable\.ssl|enable\.sasl)\.")
_SECRET = re.compile(r"password|passphrase|secret|key\.pem|sasl\.oauthbearer\.config")
_PEM = re.compile(r"ssl\.(certificate|key|keystore)\.")


def _given(section: BaseModel, name: str) -> bool:
    return getattr(section, name) is not None or getattr(section, f"{name}_file") is not None


def _once(section: BaseModel, *names: str) -> None:
    for name in names:
        if getattr(section, name) is not None and getattr(section, f"{name}_file") is not None:
            raise ValueError(f"give {name} or {name}_file, not both")


def _revealed(value: SecretStr | None, file: Path | None) -> str | None:
    if value is not None or file is None:
        return value.get_secret_value() if value is not None else None
    try:
        content = file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise SecretFileError(f"the file {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretFileError(f"the file {file} is not text") from None
    if not content:
        raise SecretFileError(f"the file {file} is empty")
    return content


def _registry(own: RegistrySettings, base: RegistrySettings) -> RegistrySettings:
    source = own if _given(own, "username") else base
    parts = ("username", "username_file", "password", "password_file")
    found: dict[str, Any] = {name: getattr(source, name) for name in parts}
    return RegistrySettings.model_construct(**found, url=base.url, ca_file=own.ca_file or base.ca_file)


def _text(path: Path | None) -> str | None:
    return str(path) if path is not None else None
