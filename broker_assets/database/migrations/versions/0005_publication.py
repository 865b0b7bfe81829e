"""What was delivered to which archive, what was not and why; copies of our archive in other stores."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
