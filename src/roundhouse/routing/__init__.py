"""Deciding who serves a request: pure, with reasons. Knows nothing about sockets, clocks or what comes of it."""
