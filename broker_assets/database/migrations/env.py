"""What Alembic runs: the steps, on the connection and in the transaction that `migrations.upgrade` holds."""

from __future__ import annotations

from alembic import context

from broker_assets.database.migrations import context_options

# Outside of Alembic, as when tests look for examples in modules, there is nothing to run.
if hasattr(context, "config"):
    context.configure(connection=context.config.attributes["connection"], **context_options())
    context.run_migrations()
