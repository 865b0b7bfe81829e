"""The subcommands of broker-assets, one module per family."""
