"""Observations requested from facilities: kinds of facilities, requests, and the run that processes them."""
