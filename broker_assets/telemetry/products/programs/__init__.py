"""Programs of others that products need: running them, their input and output files."""
