"""Observations that are requested from facilities: what facilities are, requests, and the run that works on them."""
