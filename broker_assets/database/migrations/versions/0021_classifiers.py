"""Scores of classifiers by alert and by object, their classes, and what they could not score."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0021"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
