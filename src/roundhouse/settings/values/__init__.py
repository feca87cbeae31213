"""Kinds of settings whose values are more than one number or word."""
