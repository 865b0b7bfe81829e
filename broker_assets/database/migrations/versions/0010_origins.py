"""Where rows come from: the packet of objects and orbits, the batch of sky maps, the file of TNS rows."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
