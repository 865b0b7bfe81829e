"""The archive of product files: which files a change touches, what each is made of, and making them."""
