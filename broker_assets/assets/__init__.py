"""What exists: one module per family of assets, thin shells over the domain."""
