"""The routes of the management API, one module per noun. Know nothing about how anything is done."""
