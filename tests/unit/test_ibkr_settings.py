"""Settings: profiles, the environment over them, secrets where they may lie, and a sentence for each slip."""

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from exchanges import InteractiveBrokers
from exchanges.ibkr.auth import Bearer, LocalGateway, OAuth1, OAuth2
from exchanges.ibkr.settings import Chosen, auth_of, choose, key_problems
from exchanges.ibkr.settings.profile import OF_WAY, SECRETS, settings_of
from exchanges.ibkr.simulator.credentials import sample_oauth1_consumer, sample_oauth2_client
from horizon.errors import ConfigurationError

PLANTED = "planted-secret-0123456789"
GATEWAY = '[paper]\nauth = "gateway"\n'


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("IBKR_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "horizon" / "ibkr.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


def refused(profile: str | None = None) -> str:
    with pytest.raises(ConfigurationError) as error:
        choose(profile)
    assert "\n" not in str(error.value)
    assert PLANTED not in str(error.value)
    return str(error.value)


def key_file(folder: Path, name: str, pem: str) -> str:
    file = folder / name
    file.write_text(pem)
    file.chmod(0o600)
    return str(file)


def test_without_a_file_everything_is_as_usual() -> None:
    assert choose() == Chosen(settings=settings_of({}, ""), profile=None, file=None, variables=(), unread=())
    assert auth_of(choose().settings) is None


def test_the_default_profile_is_taken_unless_another_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, f'default = "paper"\n{GATEWAY}account_id = "DU1"\n[live]\nauth = "gateway"\naccount_id = "U1"\n')
    assert choose().settings.account_id == "DU1"
    assert choose("live").settings.account_id == "U1"
    monkeypatch.setenv("IBKR_PROFILE", "live")
    assert (choose().profile, choose("paper").profile) == ("live", "paper")


def test_one_profile_needs_no_default_and_several_do(tmp_path: Path) -> None:
    write(tmp_path, GATEWAY)
    assert choose().profile == "paper"
    write(tmp_path, f"{GATEWAY}[live]\n")
    assert 'add default = "paper"' in refused()


@pytest.mark.parametrize(
    ("text", "profile", "said"),
    [
        (GATEWAY, "papr", "no profile 'papr': did you mean \"paper\"?"),
        ('[paper]\naccunt_id = "DU1"', None, "'accunt_id' is no setting: did you mean \"account_id\"?"),
        ('[paper]\nauth = "oauth"', None, "expected auth to be one of gateway, oauth2, oauth1, bearer, found 'oauth'"),
        ('[paper]\nregion = "Europa"', None, 'did you mean "Europe"?'),
        ("[paper]\ncompete = true", None, "expected compete to be one of never, once, always, found True"),
        ('[paper]\nclient_id = "x"', None, 'client_id goes with auth = "oauth2", found no auth'),
        ('[paper]\nauth = "oauth1"\nip = "x"', None, 'ip goes with auth = "oauth2", found auth = "oauth1"'),
        ('[paper]\nhosts = "x"', None, "Expected `array`, got `str` - at `hosts`"),
        ('auth = "gateway"', None, "'auth' stands outside a profile: put it under a profile, such as [paper]"),
        ('defualt = "paper"', None, "'defualt' stands outside a profile: did you mean \"default\"?"),
        ("default = 5", None, 'expected default = "PROFILE"'),
        ('default = "live"\n[paper]', None, "no profile 'live'"),
        ('[paper]\nauth = "oauth1"\naccess_token = { keyrin = "a/b" }', None, 'did you mean "keyring"?'),
        ('[paper]\nauth = "oauth1"\naccess_token = { variable = "A", file = "b" }', None, "write one of these"),
        ("[paper]\nauth = gateway", None, "expected TOML in"),
    ],
)
def test_a_slip_is_one_sentence_that_names_what_is_right(
    tmp_path: Path, text: str, profile: str | None, said: str
) -> None:
    write(tmp_path, text)
    assert said in refused(profile)


def test_a_named_profile_without_a_file_is_told() -> None:
    assert "expected the profile 'paper' in" in refused("paper")


def test_a_plain_secret_is_taken_from_a_file_of_mode_0600_only(tmp_path: Path) -> None:
    text = f'[live]\nauth = "bearer"\naccess_token = "{PLANTED}"\n'
    file = write(tmp_path, text, 0o644)
    assert f"found mode 0644 on {file}: run `chmod 600 {file}`" in refused()
    file.chmod(0o600)
    chosen = choose()
    assert isinstance(auth_of(chosen.settings), Bearer)
    assert PLANTED not in repr(chosen)


def test_a_file_without_secrets_may_be_read_by_others(tmp_path: Path) -> None:
    write(tmp_path, GATEWAY, 0o644)
    assert isinstance(auth_of(choose().settings), LocalGateway)


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, f'{GATEWAY}account_id = "DU1"\nregion = "US"\n')
    monkeypatch.setenv("IBKR_ACCOUNT_ID", "DU2")
    monkeypatch.setenv("IBKR_HOSTS", "one.example, two.example")
    monkeypatch.setenv("IBKR_ACCEPT_STOCK_CERTIFICATE", "yes")
    monkeypatch.setenv("IBKR_CLIENT_ID", "of another way of signing in")
    monkeypatch.setenv("IBKR_ACOUNT_ID", "DU3")
    chosen = choose()
    assert (chosen.settings.account_id, chosen.settings.region) == ("DU2", "US")
    assert chosen.settings.hosts == ("one.example", "two.example")
    assert chosen.settings.accept_stock_certificate
    assert set(chosen.variables) == {"IBKR_ACCOUNT_ID", "IBKR_HOSTS", "IBKR_ACCEPT_STOCK_CERTIFICATE"}
    assert chosen.unread == ('IBKR_ACOUNT_ID is not read: did you mean "IBKR_ACCOUNT_ID"?',)


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("IBKR_REQUESTS_PER_SECOND", "expected a number in IBKR_REQUESTS_PER_SECOND"),
        ("IBKR_HOLD_ORDERS_OVER_RESET", "expected yes or no"),
        ("IBKR_REGION", "with IBKR_REGION: expected region to be one of"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, said: str) -> None:
    monkeypatch.setenv(variable, "perhaps")
    assert said in refused()


def test_a_token_of_the_environment_is_read_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBKR_AUTH", "bearer")
    monkeypatch.setenv("IBKR_ACCESS_TOKEN", PLANTED)
    chosen = choose()
    assert PLANTED not in repr(chosen)
    assert isinstance(auth_of(chosen.settings), Bearer)
    monkeypatch.delenv("IBKR_ACCESS_TOKEN")
    with pytest.raises(ConfigurationError, match="IBKR_ACCESS_TOKEN"):
        auth_of(chosen.settings)


def test_a_bearer_may_be_in_a_variable_of_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, '[live]\nauth = "bearer"\nvariable = "MINE"\n')
    monkeypatch.setenv("MINE", PLANTED)
    monkeypatch.setenv("IBKR_ACCESS_TOKEN", "somebody else's")
    assert isinstance(auth_of(choose().settings), Bearer)


def test_oauth2_signs_in_with_the_key_of_the_profile(tmp_path: Path) -> None:
    pem = key_file(tmp_path, "key.pem", sample_oauth2_client().private_key_pem)
    lines = ['client_id = "c"', 'key_id = "main"', f'key_file = "{pem}"', 'username = "u"', 'ip = "203.0.113.7"']
    write(tmp_path, "\n".join(['[live]\nauth = "oauth2"', *lines]))
    assert isinstance(auth_of(choose().settings), OAuth2)
    assert key_problems(choose().settings) == {}
    for left_out in lines:
        name = left_out.split(" ")[0]
        write(tmp_path, "\n".join(['[live]\nauth = "oauth2"', *(line for line in lines if line != left_out)]))
        with pytest.raises(ConfigurationError, match=f"expected {name} in the settings.*set IBKR_{name.upper()}"):
            auth_of(choose().settings)


def test_oauth1_takes_its_secrets_from_keyring_variable_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = sample_oauth1_consumer()
    keyring = ModuleType("keyring")
    entries = {("ibkr", "access token"): sample.registered.access_token}
    vars(keyring).update(get_password=lambda service, name: entries.get((service, name)))
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", SimpleNamespace(KeyringError=RuntimeError))
    monkeypatch.setenv("MY_SECRET", sample.registered.access_token_secret)
    write(
        tmp_path,
        f"""
        [live]
        auth = "oauth1"
        consumer_key = "{sample.registered.consumer_key}"
        access_token = {{ keyring = "ibkr/access token" }}
        access_token_secret = {{ variable = "MY_SECRET" }}
        signature_key_file = "{key_file(tmp_path, "signature.pem", sample.signature_key_pem)}"
        encryption_key_file = "{key_file(tmp_path, "encryption.pem", sample.encryption_key_pem)}"
        dh_file = "{key_file(tmp_path, "dh.pem", sample.dh_parameters_pem)}"
        """,
    )
    chosen = choose().settings
    assert isinstance(auth_of(chosen), OAuth1)
    assert key_problems(chosen) == {}

    entries.clear()
    monkeypatch.delenv("MY_SECRET")
    (tmp_path / "signature.pem").chmod(0o640)
    problems = {name: str(error) for name, error in key_problems(chosen).items()}
    assert list(problems) == ["signature_key", "access_token", "access_token_secret"]
    assert "chmod 600" in problems["signature_key"]
    assert problems["access_token"] == (
        "expected access_token in the keyring at 'ibkr/access token', found nothing: put it there, or correct the "
        "settings"
    )
    assert problems["access_token_secret"].startswith(
        "expected access_token_secret in the variable MY_SECRET, found nothing"
    )


def test_a_secret_in_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(PLANTED)
    file.chmod(0o604)
    write(tmp_path, f'[live]\nauth = "bearer"\naccess_token = {{ file = "{file}" }}\n')
    with pytest.raises(ConfigurationError, match=r"found mode 0604.*chmod 600") as error:
        auth_of(choose().settings)
    assert PLANTED not in str(error.value)
    file.chmod(0o600)
    assert isinstance(auth_of(choose().settings), Bearer)


def test_an_exchange_is_made_from_settings_and_arguments_go_first(tmp_path: Path) -> None:
    write(tmp_path, f'{GATEWAY}url = "https://localhost:5001"\nregion = "Asia"\n')
    made = InteractiveBrokers.from_settings()
    assert (made.status().base_url, made.status().region) == ("https://localhost:5001", "Asia")
    made = InteractiveBrokers.from_settings("paper", api_url="https://localhost:5002/v1/api", account_id=None)
    assert (made.status().base_url, made.status().signs_in) == ("https://localhost:5002", "LocalGateway")


def test_a_gateway_on_another_host_needs_no_token_when_the_profile_says_gateway(tmp_path: Path) -> None:
    write(tmp_path, f'{GATEWAY}url = "https://gateway.example:5000"\n')
    assert InteractiveBrokers.from_settings().status().signs_in == "LocalGateway"


values = some.one_of(
    some.just(PLANTED),
    some.lists(some.just(PLANTED), max_size=2),
    some.dictionaries(some.sampled_from(["keyring", "variable", "file", "files"]), some.just(PLANTED), max_size=3),
    some.integers(),
    some.booleans(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(table=some.dictionaries(some.sampled_from(sorted(SECRETS)), values, min_size=1), way=some.booleans())
def test_no_secret_is_quoted_whatever_is_wrong_around_it(table: dict[str, Any], way: bool) -> None:
    try:
        told = repr(settings_of(table | ({"auth": "oauth1"} if way else {}), "here"))
    except ConfigurationError as error:
        told = str(error)
    assert PLANTED not in told


def test_the_example_of_the_page_is_one_that_works(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "venues" / "ibkr.md").read_text(encoding="utf-8")
    write(tmp_path, page.partition("```toml\ndefault")[2].partition("```")[0].join(["default", ""]), 0o644)
    assert (choose().profile, choose().settings.account_id) == ("paper", "DU1234567")
    assert choose("live").settings.auth == "oauth2"
    named = [key for keys in OF_WAY.values() for key in keys if not key.endswith("_key_passphrase")]
    assert [key for key in named if f"`{key}`" not in page] == []
