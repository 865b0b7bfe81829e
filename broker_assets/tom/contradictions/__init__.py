"""Objects about which brokers, TNS, annotators, context and our own classifiers contradict each other."""
