"""What the commands deliver, and where to."""

from deliveries import archive, products, sftp_server

__all__ = ["archive", "products", "sftp_server"]
