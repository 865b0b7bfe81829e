"""Code versions of rows name their parts (`ingest 2, decoder 2` in place of `2.2`); a note of what automation does."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
