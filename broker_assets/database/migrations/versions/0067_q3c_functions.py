"""Functions of the extension q3c that users' SQL calls."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL in the file of the same name."""
    run_frozen_sql(__file__)
