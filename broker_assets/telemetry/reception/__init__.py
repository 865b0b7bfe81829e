"""Files from where they arrive into the packet store: folders, register, each packet once."""
