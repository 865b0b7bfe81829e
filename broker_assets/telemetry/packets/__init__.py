"""Packets as received: files that hold them, headers, on-board time, telecommand reports, and making them."""
