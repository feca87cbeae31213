"""How deployments are doing: breakers and figures. Knows nothing about routing, requests or backends."""
