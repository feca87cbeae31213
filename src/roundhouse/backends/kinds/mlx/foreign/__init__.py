"""What runs in somebody else's interpreter. Imports nothing but the standard library, and of the rest only MLX."""
