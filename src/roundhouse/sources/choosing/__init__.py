"""What belongs together in a repository whose weights are many files."""

from roundhouse.core.weights.tensor_sets import belonging_to, is_main, is_tensors, tensor_sets
from roundhouse.sources.choosing.pickles import is_pickle, refuse_pickles

__all__ = ["belonging_to", "is_main", "is_pickle", "is_tensors", "refuse_pickles", "tensor_sets"]
