"""Run the soaks of tests/soak/: each prints one JSON line that begins with its name."""

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "soak"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="the soak to run: session-week is tests/soak/session_week.py")
    parser.add_argument("--times", metavar="N", type=int, help="how often; each soak says what once is")
    options = parser.parse_args()

    soaks = {path.stem.replace("_", "-"): path for path in sorted(FOLDER.glob("[a-z]*.py"))}
    if options.only is not None and options.only not in soaks:
        print(f"no soak is called {options.only!r}; there are: {', '.join(soaks) or 'none yet'}", file=sys.stderr)
        return 2
    chosen = [soaks[options.only]] if options.only is not None else list(soaks.values())
    times = [] if options.times is None else ["--times", str(options.times)]
    failed = [
        path.stem for path in chosen if subprocess.run([sys.executable, str(path), *times], check=False).returncode
    ]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
