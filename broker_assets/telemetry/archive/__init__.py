"""The archive of product files: which files a change affects, what each is made from, and making them."""
