"""Ollama's own API: what it is asked, what it answers, and what may be believed of it."""
