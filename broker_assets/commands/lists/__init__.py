"""`broker-assets watchlists` and `broker-assets areas`: what is matched with the sky, from files to hits.

`watchlists` and `areas` are the commands; what both need is in `options` (what is given), `files` (what is read),
`tables` (what is shown) and `change` (whose list it is, and when the platform has taken a change up).
"""
