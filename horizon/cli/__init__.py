"""The `horizon` command."""


def main() -> None:
    """Run the command line; everything heavy is imported here, so that importing the package costs nothing."""
    from horizon.cli.app import run

    run()
