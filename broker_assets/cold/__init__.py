"""The cold store: every night as partitions of Apache Iceberg tables, and what is made from them.

`catalogue` opens the tables, `nights` overwrites a night in them, `months` proves that a month is there and lets it
leave the database, `hats` makes catalogues of it. How readers find points on both sides is in `database.border`.
"""
