"""The instrument database: its tables and versions, layouts and calibrations, and what it does not say."""
