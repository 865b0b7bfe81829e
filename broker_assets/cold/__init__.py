"""The cold store: every night as partitions of Apache Iceberg tables, and what is made from them.

`catalogue` opens the tables, `nights` overwrites a night in them, `months` proves that a month is in them and removes
it from the database, `hats` makes catalogues from them. `database.border` finds points on both sides.
"""
