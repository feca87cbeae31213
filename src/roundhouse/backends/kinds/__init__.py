"""The kinds of backends, one file each: what its makers promise, and what it really does."""
