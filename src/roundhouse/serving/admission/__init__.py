"""Who may be called now, and who waits: slots, queues, the order in them. Knows nothing of routes, bodies or HTTP."""
