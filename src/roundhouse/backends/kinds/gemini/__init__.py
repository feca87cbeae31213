"""Google's own API for Gemini: what it is asked, what it answers, and what may be believed of it."""
