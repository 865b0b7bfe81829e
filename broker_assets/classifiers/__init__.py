"""Classifiers of alerts: models in the ONNX format, what they are given, and the scores they return."""
