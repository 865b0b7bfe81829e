"""Accounts: who a user is, what they may do, and the tokens of their programs.

Users, groups, roles, passwords, API tokens, limits per user and the record of who changed what belong here. How a
request carries a token does not (`api`), nor does what a user's SQL may see, which PostgreSQL decides.
"""
