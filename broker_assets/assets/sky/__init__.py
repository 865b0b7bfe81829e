"""Assets of positions: TNS, watchlists, areas, sky maps, and the hits of alerts on them."""
