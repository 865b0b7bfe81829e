"""The simulated survey: loaded from SNANA, sent as alerts, answered by brokers."""
