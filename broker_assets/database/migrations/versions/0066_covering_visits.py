"""Light curves of versions of the processing are read from the indices alone, which have the visit now."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0066"
down_revision = "0057"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL in the file of the same name."""
    run_frozen_sql(__file__)
