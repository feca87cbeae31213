"""One file per noun. Knows nothing about how an answer is made."""
