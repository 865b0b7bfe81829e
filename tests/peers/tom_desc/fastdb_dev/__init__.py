"""The prototype of FASTDB within DESC's TOM, which the platform does not have; its names can be imported."""
