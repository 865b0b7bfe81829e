"""Functions with which PostgreSQL computes filters as DuckDB does."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0026"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
