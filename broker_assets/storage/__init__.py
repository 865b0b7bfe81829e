"""Files and folders that readers find complete or not at all: the only code that writes hidden files and renames.

`atomic` writes one file or one folder on a local disk, `objects` one file in any store, `versioned` keeps versions of
one thing with a pointer to the version in force, `published` adds named files with checksums. This package does not
know what the files contain. `sftp` and `options` extend fsspec by SFTP with verified hosts, and by options given as
text.
"""
