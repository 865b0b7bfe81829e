"""Log-ins, in the schema `access`."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0031"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
