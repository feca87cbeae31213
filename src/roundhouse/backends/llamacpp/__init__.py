"""The embedded llama.cpp: one supervised child process per loaded model. Knows nothing about other backends."""
