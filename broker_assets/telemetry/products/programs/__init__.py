"""Third-party programs that products need: running them, their input and output files."""
