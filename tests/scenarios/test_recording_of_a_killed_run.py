"""A run that is killed without warning leaves a recording that can be read and replayed up to its last checkpoint."""

import subprocess
import sys
from pathlib import Path

from exchanges.ibkr.profile import PROFILE
from horizon.engine.core import Core
from horizon.engine.parity import replay_verdict
from horizon.guards import default_guards
from horizon.model import TimerFired
from horizon.recording.reader import RecordingReader
from horizon.strategy import Context, Strategy

RUN = """
import os
import signal
import sys

import horizon.engine.live as live
from horizon.cli import main

live._CHECKPOINT = 0.0
sys.path.insert(0, os.path.dirname(sys.argv[2]))
main()
"""
STRATEGY = """
import os
import signal

from test_recording_of_a_killed_run import BuysEveryHalfMinute

class Dies(BuysEveryHalfMinute):
    def on_fill(self, ctx, fill):
        self.fills = getattr(self, "fills", 0) + 1
        if self.fills == 4:
            os.kill(os.getpid(), signal.SIGKILL)
"""


class BuysEveryHalfMinute(Strategy):
    markets = {"spy": "SPY"}

    def on_start(self, ctx: Context) -> None:
        ctx.set_timer("buy", every=30.0)

    def on_timer(self, ctx: Context, timer: TimerFired) -> None:
        spy = ctx.market("spy")
        quote = ctx.quote(spy.instrument())
        if quote is not None and quote.ask is not None:
            ctx.buy(spy, 1, price=quote.ask * 1.001)


def test_what_was_recorded_before_a_kill_is_there_and_replays(tmp_path: Path) -> None:
    file = tmp_path / "dies.py"
    file.write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n{STRATEGY}")
    command = [sys.executable, "-c", RUN, "run", str(file), "--embedded", "--fast", "--record", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -9, done.stderr
    recording = RecordingReader(tmp_path / "run")
    assert not recording.closed
    assert recording.events > 100
    sent = list(recording.requests())
    assert len(sent) >= 4
    fresh = Core(BuysEveryHalfMinute(), profiles={PROFILE.name: PROFILE}, guards=default_guards())
    verdict = replay_verdict(fresh, recording, sent)
    assert verdict.matches, verdict.first_difference
