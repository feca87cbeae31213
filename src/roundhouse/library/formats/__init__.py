"""What model files say about themselves: the formats beside GGUF, and one description for all of them."""

from roundhouse.library.formats.facts import GGUF, MLX, SAFETENSORS, Facts, check_header, describe, is_safetensors

__all__ = ["GGUF", "MLX", "SAFETENSORS", "Facts", "check_header", "describe", "is_safetensors"]
