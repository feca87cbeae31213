"""How the tables came to be, one step per file, each of which can be taken back."""
