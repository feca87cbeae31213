"""What people may ask of one noun, and what they see of it: a protocol and its values per module; no HTTP."""
