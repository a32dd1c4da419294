"""The venue's page says what the code does."""

import re
from pathlib import Path

from exchanges.ibkr.confirmations import TABLE, Default
from exchanges.ibkr.rates import RULES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "venues" / "ibkr.md").read_text(encoding="utf-8")


def test_the_table_of_prompts_holds_every_known_id_with_its_default() -> None:
    rows = re.findall(r"^\| ((?:[op]\d+(?:, )?)+) \| ([^|]+) \|", PAGE, re.MULTILINE)
    shown = {message_id: answer for ids, answer in rows for message_id in ids.split(", ")}
    assert set(shown) == set(TABLE)
    for message_id, rule in TABLE.items():
        answer = shown[message_id]
        assert answer.startswith("accepted") == (rule.default is Default.ACCEPT), message_id
        assert ("opt-in" in answer) == (rule.default in (Default.REFUSE, Default.OPT_IN_WITH_LIMIT)), message_id
        assert ("limit of your own" in answer) == (rule.default is Default.OPT_IN_WITH_LIMIT), message_id


def test_the_table_of_limits_holds_every_rule() -> None:
    section = PAGE.partition("## Limits")[2]
    rows = re.findall(r"^\| ([a-z][^|]+) \| (\d+)(?: each)? (?:in (\d+) s|at once)", section, re.MULTILINE)
    shown = {
        name: (int(count), float(seconds) if seconds else None)
        for names, count, seconds in rows
        for name in re.split(r", ", names)
    }
    for rule in RULES:
        wanted = (rule.concurrent, None) if rule.limit is None else (rule.limit, rule.seconds)
        assert shown.pop(rule.name) == wanted, rule.name
    assert not shown
