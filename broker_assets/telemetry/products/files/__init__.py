"""Product files: tables, headers, FITS, and reading them back."""
