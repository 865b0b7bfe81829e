"""SQLAlchemy Core tables, Alembic migrations and bulk load."""
