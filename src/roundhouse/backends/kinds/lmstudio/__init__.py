"""LM Studio: its native API where it has one, so that what is loaded and what is only downloaded are told apart."""
