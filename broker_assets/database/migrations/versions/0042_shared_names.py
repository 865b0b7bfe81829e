"""The roles of users' SQL, which can name any account, are not shown what is shared with it."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0042"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
