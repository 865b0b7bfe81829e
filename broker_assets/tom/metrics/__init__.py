"""How right the classifiers of brokers are, against the truth of a simulated survey."""
