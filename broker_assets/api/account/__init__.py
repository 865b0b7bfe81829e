"""Pages of accounts: the own one, links by e-mail, registration, administration, and log-in at another provider.

Logging in by password is `api.login`; what an account is and may do is `access`.
"""

from broker_assets.api.account.routes import add_to

__all__ = ["add_to"]
