"""What alerts are near to: associations with the sources of catalogues, and Lasair's table of them as a view."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
