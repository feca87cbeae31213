"""The desks of a `Management` that lives in memory, one module per noun."""
