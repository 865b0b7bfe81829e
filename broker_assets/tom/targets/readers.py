"""Who may see which targets and lists: their owner, members of groups with which they are shared, or everybody.

Sharing a list shares those of its targets that the owner of the list owns, and no target of another account.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

from broker_assets.access.accounts import User

_SHARED: Final = (
    "EXISTS (SELECT FROM access.shares AS share JOIN access.memberships AS member USING (groupid)"
    " WHERE member.userid = %(userid)s AND share.kind = '{kind}' AND share.identifier = {number}::text)"
)
LIST_READABLE: Final = (
    "(%(all)s OR list.public OR list.owner = %(viewer)s OR "
    + _SHARED.format(kind="target_list", number="list.listid")
    + ")"
)
"""Condition that the reader in the parameters may see a row `list` of `access.target_lists`."""
TARGET_READABLE: Final = (
    "(%(all)s OR target.public OR target.owner = %(viewer)s OR "
    + _SHARED.format(kind="target", number="target.targetid")
    + " OR EXISTS (SELECT FROM access.target_members AS inside JOIN access.target_lists AS list USING (listid)"
    f" WHERE inside.targetid = target.targetid AND list.owner = target.owner AND {LIST_READABLE}))"
)
"""The same for a row `target` of `access.targets`."""


@dataclass(frozen=True)
class Reader:
    """Who asks."""

    name: str = ""
    """Name of the account; empty for a guest."""
    userid: int = 0
    everything: bool = False
    """Whether the reader may see everything: administrators, and the command line."""

    @classmethod
    def of(cls, user: User | None) -> Self:
        """An account, or a guest."""
        return cls() if user is None else cls(user.username, user.userid, user.administers)

    @property
    def parameters(self) -> dict[str, Any]:
        """Values of the conditions."""
        return {"viewer": self.name, "userid": self.userid, "all": self.everything}


OPERATOR: Final = Reader("", 0, everything=True)
"""The reader on the command line."""
