"""Our own interface, version 1: thin endpoints over the domain packages, one form of error, one way of paging."""

from broker_assets.api.v1.application import add_to

__all__ = ["add_to"]
