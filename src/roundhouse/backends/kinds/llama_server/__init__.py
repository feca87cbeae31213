"""A llama-server that somebody else started: with one model, or as the router of several."""
