"""From columns of packets to the tables of products, one module per kind of data."""
