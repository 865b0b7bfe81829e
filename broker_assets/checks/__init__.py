"""What must hold: one module per family of asset checks."""
