"""Jobs that do not materialise one asset: each job, with the op that it consists of.

A job belongs here if it learns only while it runs which assets or checks it reports, or if it reports none. What is
made is in `assets`, what must hold in `checks`, and what starts a job in `sensors`.
"""
