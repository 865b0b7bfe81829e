"""From incoming files to the packet store: folders, register, each packet once."""
