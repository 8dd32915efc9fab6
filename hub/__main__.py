"""`python -m hub` and the console script `frontdesk`."""

from hub.cli.main import run


def main() -> None:
    """Run the command line."""
    run()


if __name__ == "__main__":
    main()
