"""Asset checks: one module per family."""
