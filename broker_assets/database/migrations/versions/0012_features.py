"""Features of light curves by alert; the ledger of facts names what they were made from."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
