"""What the names of files tell about the models in them; knows nothing about files or where they come from."""
