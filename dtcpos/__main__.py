"""Run the command line as `python -m dtcpos`."""

from dtcpos.cli import main

if __name__ == "__main__":
    main()
