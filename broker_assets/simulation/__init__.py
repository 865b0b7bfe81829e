"""A survey simulator: objects on the sky, their light curves and their alert packets."""

from broker_assets.simulation.survey import SimulatedAlert, Survey

__all__ = ["SimulatedAlert", "Survey"]
