"""A data service of TOM Toolkit for the alert broker broker_assets."""
