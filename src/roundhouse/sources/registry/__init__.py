"""Models from a registry that speaks the distribution protocol: Ollama's, or any other that holds OCI artifacts."""

from roundhouse.sources.registry.source import REGISTRY, RegistrySource

__all__ = ["REGISTRY", "RegistrySource"]
