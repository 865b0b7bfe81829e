"""Objects of different surveys that are one source on the sky."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
