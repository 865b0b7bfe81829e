"""Files and folders that readers find whole or not at all: the only code that writes under a hidden name and renames.

`atomic` writes one file or one folder on a local disk, `objects` one file in any store, `versioned` keeps versions of
one thing with a pointer to the version in force, `published` puts named files with checksums on top of that. What the
files contain does not belong here. `sftp` and `options` add to fsspec a checked SFTP and options given as text.
"""
