"""Facts by night and state apart; revisions of lists with the numbers from which and to which they hold."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
