"""Taxonomies of ELAsTiCC: the hierarchy of classes, models of the simulation, and which class is right for which."""
