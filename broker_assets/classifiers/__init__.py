"""Classifiers of alerts: models in the ONNX format, their inputs, and their scores."""
