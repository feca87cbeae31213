"""MLX: a mlx_lm.server that somebody else started, or one for each model that Roundhouse starts itself."""
