"""Fetching the inputs of telemetry processing: files of folders, zip files of kernels, tags of repositories."""
