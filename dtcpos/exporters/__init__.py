"""Files out: executions for trading journals, lots paired, rows of text, and files that appear whole and only once."""
