"""A simulated week of sessions for each way of signing in; once is one week of each.

    make soak ONLY=session-week N=3

Prints one line of JSON per week, and fails when a promise was broken; `broken` says which.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile

from weeks.plan import MODES, short, week
from weeks.play import play


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=1, help="how many weeks of each")
    parser.add_argument("--seed", type=int, default=1, help="of the first week; the next ones count up")
    parser.add_argument("--mode", choices=MODES, action="append", help="only this way of signing in")
    parser.add_argument("--short", action="store_true", help="a day instead of a week")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        for seed in range(options.seed, options.seed + options.times):
            for mode in options.mode or MODES:
                played = asyncio.run(play((short if options.short else week)(mode, seed)))
                print(json.dumps(played.line), flush=True)
                failed = failed or bool(played.broken)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
