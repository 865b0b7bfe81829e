"""Runs that are not one asset: each job, with the op that it consists of.

A job is here when it reports assets or checks that it finds out about only as it runs, or none at all. What is
made is in `assets`, what must hold in `checks`, what starts a job in `sensors`.
"""
