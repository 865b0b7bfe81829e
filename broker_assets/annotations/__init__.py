"""What outside annotators and brokers say about objects: annotators, their annotations, and the forms of messages."""
