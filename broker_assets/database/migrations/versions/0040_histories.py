"""Objects of TNS and links between objects as they were, for filters over past nights."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
