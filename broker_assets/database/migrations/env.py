"""Environment of Alembic: runs the steps on the connection and in the transaction of `migrations.upgrade`."""

from __future__ import annotations

from alembic import context

from broker_assets.database.migrations import context_options

# Outside of Alembic, for example when tests collect doctests, there is nothing to run.
if hasattr(context, "config"):
    context.configure(connection=context.config.attributes["connection"], **context_options())
    context.run_migrations()
