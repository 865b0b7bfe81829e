"""Runs the statements of filters over the tables of a batch, in a separate process that limits what they can do."""
