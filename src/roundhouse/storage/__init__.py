"""Where things are kept: SQLite or PostgreSQL, and the engine of durable jobs. Decides nothing."""
