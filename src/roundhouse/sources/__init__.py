"""Where bytes come from: a Hugging Face style hub, an https address, a folder, the program itself."""
