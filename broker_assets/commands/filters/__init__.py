"""The commands of filters."""
