"""Interfaces of the Virtual Observatory: cone search and table access, with errors as VOTables."""

from broker_assets.api.vo.application import add_to

__all__ = ["add_to"]
