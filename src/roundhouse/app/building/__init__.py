"""What `app` builds from the settings, one module per noun: the names of concrete classes are here."""
