"""Inputs of products other than packets: kernels, configuration, requests, planning."""
