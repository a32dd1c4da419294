"""A stand-in for ibeam: `ibeam -a`. The file `ibeam_plays` in the gateway's folder says how its sign-in goes."""

import json
import os
import sys
import time
from pathlib import Path

gateway = Path(os.environ["IBEAM_GATEWAY_DIR"])
names = sorted(name for name in os.environ if name.startswith("IBEAM_"))
(gateway / "ibeam_saw").write_text(json.dumps({"arguments": sys.argv[1:], "names": names}))


def say(text: str) -> None:
    print(f"2026-01-05 00:11:12,345|I| {text}", flush=True)


def until(name: str) -> None:
    while not (gateway / name).exists():
        time.sleep(0.01)


say("############ Starting IBeam version 0.5.12 ############")
say("Gateway auth webpage loaded")
say(f"Submitting the form for {os.environ['IBEAM_ACCOUNT']} {os.environ['IBEAM_PASSWORD']}")
second_factor = "Credentials correct, but Gateway requires notification two-factor authentication."
match (gateway / "ibeam_plays").read_text().strip():
    case "success":
        (gateway / "signed_in").touch()
        say('Webpage displayed "Client login succeeds"')
        say("Gateway authenticated.")
    case "approval":
        say(second_factor)
        until("approved")
        (gateway / "signed_in").touch()
        say("Gateway authenticated.")
    case "missed":
        say(second_factor)
        say("Timeout reached searching for website elements")
        say("Gateway not authenticated.")
    case "refused":
        say("Error displayed by the login webpage: Invalid username password combination")
        say("Gateway not authenticated.")
    case "hangs":
        until("never")
    case "breaks":
        sys.exit("selenium.common.exceptions.WebDriverException: Message: unknown error: cannot find Chrome binary")
