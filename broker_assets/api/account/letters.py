"""E-mail about accounts: sent after the answer, whose timing must not reveal whether an address has an account.

Addresses in messages come from the settings and never from a request, whose `Host` anybody may choose.
"""

from __future__ import annotations

import logging
import time
import uuid
from typing import Final

from broker_assets.access.mailed_links import MINUTES, Link, Purpose
from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError
from broker_assets.delivery.mail import MailServer, notice
from broker_assets.settings import Settings

log = logging.getLogger(__name__)

_PATH: Final[dict[Purpose, str]] = {"password": "password_reset", "activation": "activate"}
_SUBJECT: Final[dict[Purpose, str]] = {"password": "a new password", "activation": "your account"}
_TEXT: Final[dict[Purpose, str]] = {
    "password": "Somebody, probably you, asked for a new password for the account {name}. Set it at",
    "activation": "There is an account named {name} for this address. Activate it at",
}


class Letters:
    """Sends links.

    Parameters
    ----------
    settings : Settings
        Settings with the mail server and the address of the pages.
    """

    def __init__(self, settings: Settings) -> None:
        self._mail = settings.delivery.mail
        server = settings.server
        self.pages = (settings.delivery.pages_url or f"http://{server.host}:{server.api_port}").rstrip("/")

    @property
    def can_send(self) -> bool:
        """Whether there is a mail server."""
        return self._mail.host is not None

    def address(self, purpose: Purpose, link: Link) -> str:
        """The address in a link."""
        return f"{self.pages}/{_PATH[purpose]}/{link.secret}/"

    def send(self, purpose: Purpose, links: list[Link]) -> None:
        """Send links; a failure is logged without the link."""
        for link in links:
            text = (
                f"{_TEXT[purpose].format(name=link.user.username)}\n\n{self.address(purpose, link)}\n\n"
                f"The link works once, until {_until(MINUTES[purpose])}. If you did not expect it, ignore\n"
                "this message: nothing changes without the link.\n"
            )
            message = notice(
                sender=self._mail.sender,
                recipient=link.user.email,
                subject=_SUBJECT[purpose],
                text=text,
                message_id=f"<{uuid.uuid4()}@broker-assets>",
                date=time.time(),
            )
            server = MailServer(self._mail)
            try:
                server.send(message)
            except (SinkUnavailableError, MessageRefusedError) as error:
                log.warning("the message to the account %s was not sent: %s", link.user.username, error)
            finally:
                server.close()


def _until(minutes: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(time.time() + minutes * 60))
