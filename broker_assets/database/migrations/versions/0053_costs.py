"""What runs cost, and numbers of each night under Lasair's names."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0053"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL in the file of the same name."""
    run_frozen_sql(__file__)
