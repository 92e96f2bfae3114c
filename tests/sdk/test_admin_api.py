"""The admin API against its own description: requests that schemathesis makes of `/api/openapi.json`, good ones and bad.

What is asked of every answer: no server error, a status and a content type that the description names, a body of the
shape it names. The instance is this suite's own, because the API changes what it is asked to change.
"""

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from conftest import ADMIN_PASSWORD, CLIENT_KEY, HANG, UPSTREAM_KEY, start
from fake_provider import FakeProvider

HEADERS = {"authorization": f"Bearer {ADMIN_PASSWORD}"}
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
# A stream without an end; a search that would ask whatever address is made up.
LEFT_OUT = ("/api/events", "/api/discover")


@pytest.fixture(autouse=True)
def credentials_stay_on_their_side():
    """No client of the relay takes part here."""


@pytest.fixture(scope="module")
def admin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("admin-api")
    fake = FakeProvider()
    process, url = start("epoll", folder, fake)
    yield url.replace(":7070", ":7071")
    process.terminate()
    code = process.wait(HANG)
    fake.stop()
    log = (folder / "log").read_text()
    assert "panicked" not in log, log
    assert code == 0, f"weir ended with {code}:\n{log}"
    assert not any(secret in log for secret in (CLIENT_KEY, UPSTREAM_KEY, ADMIN_PASSWORD)), log


def test_answers_are_as_described(admin):
    schema = schemathesis.openapi.from_url(f"{admin}/api/openapi.json", headers=HEADERS)
    asked = 0
    for operation in (found.ok() for found in schema.get_all_operations()):
        if operation.path in LEFT_OUT:
            continue

        @given(case=operation.as_strategy())
        @settings(
            max_examples=5,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case):
            if (case.method, case.path) == ("PUT", "/api/config"):
                # A valid file is written by the tests of the API itself; a made-up one could only move the data folder.
                case.body = {"text": "{"}
            case.call_and_validate(base_url=admin, headers=HEADERS, checks=CHECKS, timeout=HANG)

        ask()
        asked += 1
    assert asked > 40, asked


def test_nothing_is_told_without_a_credential(admin):
    paths = requests.get(f"{admin}/api/openapi.json", headers=HEADERS, timeout=HANG).json()["paths"]
    open_to_all = {"/api/login", "/api/session", "/health"}
    for path, item in paths.items():
        for method in item:
            answer = requests.request(method, admin + path.replace("{", "").replace("}", ""), timeout=HANG)
            if path not in open_to_all:
                assert answer.status_code == 401, (method, path)
                assert answer.headers["content-type"] == "application/problem+json", (method, path)
