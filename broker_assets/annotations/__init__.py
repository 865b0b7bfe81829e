"""What external annotators and brokers say about objects: annotators, their annotations, and message formats."""
