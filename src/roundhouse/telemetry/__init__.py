"""What the house tells about itself: logs and metrics. Knows nothing about what they are used for."""
