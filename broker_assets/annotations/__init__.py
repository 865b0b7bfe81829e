"""What outside annotators and brokers say of objects: annotators, their annotations, and the forms of messages."""
