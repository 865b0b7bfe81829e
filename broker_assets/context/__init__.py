"""What an alert is near to: catalogues, and the association of positions with their sources."""
