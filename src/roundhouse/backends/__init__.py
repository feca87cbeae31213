"""Adapters to whatever serves models: each answers the port ``Backend``. They decide nothing."""
