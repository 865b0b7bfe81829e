"""Fetching what telemetry is processed with: files of folders, zip files of kernels, tags of repositories."""
