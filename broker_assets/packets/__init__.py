"""Alert packets: compiled Avro reader, survey adapters and the packet archive."""
