"""What was used: one durable record per request, written behind the request's back. Knows no SQL."""
