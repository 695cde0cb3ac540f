"""Models behind an address: requests, what answers mean, waiting, batches."""
