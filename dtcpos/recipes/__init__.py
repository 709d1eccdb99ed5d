"""Ready-made files for those who run dtcpos unattended, each with what to do with it in its first lines."""
