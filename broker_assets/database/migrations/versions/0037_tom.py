"""The target and observation manager: tables under the names of DESC's TOM, views of our photometry, taxonomies."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0037"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
