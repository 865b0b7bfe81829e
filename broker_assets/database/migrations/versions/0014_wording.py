"""Comments of tables and columns in plainer words; nothing else changes."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
