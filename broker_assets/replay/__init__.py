"""Packets out of files onto a Kafka topic, at a chosen rate.

What a packet says is read in `packets`; packets that no survey sent are made in `simulation`.
"""
