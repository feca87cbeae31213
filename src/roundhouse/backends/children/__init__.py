"""Supervised child processes that serve one model each: started, watched, ended. Knows nothing of any runtime."""
