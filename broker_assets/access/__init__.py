"""Accounts: who a user is, what they may do, and the tokens of their programs.

Belongs here: users, groups, roles, passwords, API tokens, limits per user, the record of who changed what. Does not
belong here: how a request carries a token (`api`), and what a user's SQL may see, which PostgreSQL decides.
"""
