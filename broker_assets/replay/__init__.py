"""Sends packets from files to a Kafka topic, at a chosen rate.

`packets` reads the content of packets; `simulation` makes packets that no survey has sent.
"""
