"""Dumps of DESC's TOM as plain SQL: reading them, and writing a part of the survey as one."""
