"""Runs the statements of filters over the tables of a batch, in a process apart that limits what they can do."""
