"""Taxonomies of ELAsTiCC: the hierarchy of classes, the models of the simulation, and which class is right for each."""
