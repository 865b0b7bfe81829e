"""Links sent by e-mail, identities of OpenID Connect, and which rows the SQL of a user may see."""

from broker_assets.database.migrations import run_frozen_sql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the SQL beside this file."""
    run_frozen_sql(__file__)
