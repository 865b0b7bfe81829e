"""Compares the classifiers of brokers with the truth of a simulated survey."""
