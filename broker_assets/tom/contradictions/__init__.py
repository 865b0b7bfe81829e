"""Objects of which brokers, TNS, annotators, context and our own classifiers say what cannot all be right."""
