"""What goes over the wire to a backend that speaks OpenAI's dialect. Knows nothing about sockets."""
