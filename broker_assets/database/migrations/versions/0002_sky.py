"""Tables of TNS, watchlists, areas, sky maps and their hits."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL next to this file."""
    run_frozen_sql(__file__)
