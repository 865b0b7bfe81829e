"""Dumps of DESC's TOM as plain SQL: read, and written of a part of the survey."""
