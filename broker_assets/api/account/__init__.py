"""Pages of accounts: the user's own, links by e-mail, registration, administration, and log-in through another
provider.

Logging in by password is `api.login`; what an account is and may do is `access`.
"""

from broker_assets.api.account.routes import add_to

__all__ = ["add_to"]
