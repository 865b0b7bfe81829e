"""Classifiers: the models that score alerts."""
