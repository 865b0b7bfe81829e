"""The FastAPI application."""

from broker_assets.api.application import create_app

__all__ = ["create_app"]
