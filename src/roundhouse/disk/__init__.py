"""Files that outlive a power cut, and their digests. Knows nothing about what is in them."""
