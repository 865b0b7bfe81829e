"""Products: from packets of a day or a request to FITS files."""
