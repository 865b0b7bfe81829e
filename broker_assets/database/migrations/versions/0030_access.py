"""Accounts, their tokens and the record of changes, in the schema `access`.

Every schema of a database that has our tables runs the same steps; accounts exist once.
"""

from broker_assets.database.migrations import run_frozen_sql

revision = "0030"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
