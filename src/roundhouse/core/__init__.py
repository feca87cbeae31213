"""The words everything else is written in: nouns, errors, events, ports, clock. Standard library only."""
