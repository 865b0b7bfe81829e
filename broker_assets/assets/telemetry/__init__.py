"""Assets of the instrument: folders, register, inputs and products."""
