"""What belongs together in a repository whose weights are many files."""

from roundhouse.sources.choosing.pickles import is_pickle, refuse_pickles
from roundhouse.sources.choosing.tensor_sets import belonging_to, is_main, is_tensors, tensor_sets

__all__ = ["belonging_to", "is_main", "is_pickle", "is_tensors", "refuse_pickles", "tensor_sets"]
