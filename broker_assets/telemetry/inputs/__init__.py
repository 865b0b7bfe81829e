"""What products are made with besides packets: kernels, configuration, requests, planning."""
