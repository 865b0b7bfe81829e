"""How messages leave the platform, as settings: the cluster of the filters' topics, mail server, webhooks, limits.

The tree that they are part of is `settings`. Secrets come from the environment or from files named here. Nothing here
opens a connection.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from broker_assets.settings.stream import ClusterSettings, SecretFileError

SHORTEST_KEY = 32
"""Characters of the secret from which the keys of webhooks are derived, at least."""
_STRICT = ConfigDict(extra="forbid", hide_input_in_errors=True)


class MailSettings(BaseModel):
    """The mail server; without a host no e-mail is sent."""

    model_config = _STRICT

    host: str | None = None
    """Name of the SMTP server."""
    port: int = Field(default=25, ge=1, le=65535)
    """Its port."""
    tls: bool = False
    """Whether the connection is encrypted from its beginning (usually port 465); certificates are checked, see
    `starttls`."""
    starttls: bool = False
    """Whether it is encrypted by STARTTLS (usually port 587). The certificate must be valid; `SSL_CERT_FILE` in the
    environment names the certificates of an authority of one's own."""
    username: str | None = None
    """User, if the server asks for one."""
    password: SecretStr | None = None
    """Its password."""
    password_file: Path | None = None
    """File that holds the password, in place of `password`."""
    sender: str = "broker-assets@localhost"
    """Address that messages come from."""
    attachment_bytes: int = Field(default=3_000_000, ge=0)
    """Larger JSON attachments are left out; the message says so."""
    seconds: float = Field(default=30.0, gt=0)
    """Time limit for each answer of the server."""

    def revealed_password(self) -> str:
        """The password.

        Raises
        ------
        SecretFileError
            If its file cannot be read.
        """
        return _revealed(self.password, self.password_file) or ""


class DestinationSettings(BaseModel):
    """A service that apprise supports (Slack, Mattermost, …), under a name that owners use in place of its address."""

    model_config = _STRICT

    url: SecretStr
    """Apprise URL; it usually contains a token."""
    owners: list[str] = Field(default_factory=lambda: ["*"])
    """Owners whose filters may send to it; `*` is all."""


class ReaderSettings(BaseModel):
    """How users reach the topics of their filters."""

    model_config = _STRICT

    public: str | None = None
    """`host:port` of the listener without credentials, as shown to users."""
    private: str | None = None
    """`host:port` of the listener that requires a log-in (SASL_PLAINTEXT or SASL_SSL, SCRAM-SHA-512)."""
    private_protocol: str = "SASL_PLAINTEXT"
    """Its security protocol."""
    embedded: bool = False
    """Whether the Kafka that `broker-assets up` starts has listeners for readers, and requires a log-in from everybody
    else: private filters may then have topics. This needs Apache Kafka. Set it where every command sees it
    (`broker.toml`)."""
    access_control: bool = False
    """Whether the cluster has an authorizer: private topics are refused without one, since anybody could read them."""


class DeliverySettings(BaseModel):
    """Delivery of matches to the sinks of filters."""

    model_config = _STRICT

    kafka: ClusterSettings = Field(default_factory=ClusterSettings)
    """Cluster of the filters' topics and our credentials; what is not set here comes from the section `kafka`."""
    readers: ReaderSettings = Field(default_factory=ReaderSettings)
    replication: int = Field(default=1, ge=1)
    """Replicas of a new topic."""
    retention_days: float = Field(default=30.0, gt=0)
    """How long a new topic keeps its messages."""
    enriched_topic: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,249}$")
    """Topic that gets every stored alert as JSON without images, with everything that was computed for it; there is
    none unless set. It begins with the alerts stored afterwards."""
    confirm_seconds: float = Field(default=15.0, gt=0)
    """Time limit for Kafka's confirmation. After a crash a sender waits this long for messages that may still arrive,
    then reads the end of the topic before it sends a message again."""
    mail: MailSettings = Field(default_factory=MailSettings)
    digest_hour: int = Field(default=18, ge=0, le=23)
    """Hour of the day, UTC, at which daily digests are sent."""
    destinations: dict[str, DestinationSettings] = Field(default_factory=dict)
    """Services of apprise, by name."""
    webhook_key: SecretStr | None = None
    """Secret of at least 32 characters, from which the key of each webhook is derived; without it webhooks are
    refused."""
    webhook_key_file: Path | None = None
    """File that holds it, in place of `webhook_key`."""
    webhook_seconds: float = Field(default=10.0, gt=0)
    """Time limit for the whole answer of a webhook."""
    private_addresses: bool = False
    """Whether webhooks may be on private, loopback and link-local addresses."""
    attempts: int = Field(default=10, ge=1)
    """Attempts for a message that its sink does not accept, before it is a dead letter."""
    give_up_hours: float = Field(default=72.0, gt=0)
    """A message that has waited for an unreachable sink for this long is a dead letter."""
    late_days: int = Field(default=14, ge=0)
    """Alerts that come out of quarantine are not sent if they are older."""
    messages_per_night: int | None = Field(default=None, ge=0)
    """Maximum number of messages per night for each sink without a quota of its own; no limit if unset."""
    bytes_per_night: int | None = Field(default=100_000_000, ge=0)
    """Maximum total size of these messages, in bytes."""
    keep_content_days: int = Field(default=30, ge=1)
    """Days for which the content of messages is kept once they are settled."""
    keep_days: int = Field(default=365, ge=1)
    """Days for which messages are kept with their receipts; the fact that they were sent is kept for ever."""
    workers: int = Field(default=4, ge=1)
    """Sinks other than topics that one sender serves at a time."""
    late_minutes: float = Field(default=15.0, gt=0)
    """A message that has been due for this long raises an alert to operators."""
    pages_url: str | None = None
    """Address of the web application in links of messages; default: that of `server`."""

    def revealed_webhook_key(self) -> bytes | None:
        """The secret of webhooks.

        Raises
        ------
        SecretFileError
            If its file cannot be read, or it is so short that receivers, who know their own key, could guess it.
        """
        revealed = _revealed(self.webhook_key, self.webhook_key_file)
        if revealed and len(revealed) < SHORTEST_KEY:
            raise SecretFileError(
                f"BROKER_DELIVERY__WEBHOOK_KEY has {len(revealed)} characters; it needs at least {SHORTEST_KEY}"
            )
        return revealed.encode() if revealed else None


def _revealed(value: SecretStr | None, file: Path | None) -> str | None:
    if value is not None:
        return value.get_secret_value()
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretFileError(f"the file {file} cannot be read: {error}") from error
