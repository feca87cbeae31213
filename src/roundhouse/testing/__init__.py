"""Fakes and loopback servers that tests and plugin authors share. Product code never imports it."""
