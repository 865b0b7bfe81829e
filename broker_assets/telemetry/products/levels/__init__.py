"""The levels of products: LB, L0, L1, LL01, and those made of level L1."""
