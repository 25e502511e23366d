"""From a data set to batches: loading ahead in threads, caching, pixel weights, and statistics of a data set."""
