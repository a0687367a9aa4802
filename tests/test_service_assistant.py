"""An assistant reads searches through the SDK's own protocol, and changes them with leave alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from pitprop.service.clients.client import Client
from served import SPACE, Served, service, written

# The SDK takes a second to import, so the tests do, and this module does not.
LOOKS = {"list_searches", "read_answer", "list_trials", "explain_trial", "list_catalogue", "check_space"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with service(tmp_path_factory.mktemp("assistant")) as found:
        yield found


def asked(server: Any, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """What the tools answer, one after the other: their tools first."""
    from mcp import Client as Assistant

    async def talk() -> list[Any]:
        async with Assistant(server) as assistant:
            tools = (await assistant.list_tools()).tools
            return [tools, *[await assistant.call_tool(name, given) for name, given in calls]]

    return anyio.run(talk)


def text(result: Any) -> str:
    return "\n".join(part.text for part in result.content)


def test_over_standard_input_and_output_searches_are_listed_and_a_sentence_says_what_is_wrong(server: Served) -> None:
    from mcp import StdioServerParameters

    with server.client() as client:
        client.cancel(client.submit(written(server.folder, name="known")).id)
    command = ["-m", "pitprop.cli.main", "mcp", "--server", server.address]
    program = StdioServerParameters(command=sys.executable, args=command, env={**os.environ, "PITPROP_TOKEN": ""})
    tools, listed, wrong, checked = asked(
        program, ("list_searches", {}), ("read_answer", {"search": "knwon"}), ("check_space", {"yaml": "trainer: none"})
    )
    assert {one.name for one in tools} == LOOKS
    assert all(one.annotations.read_only_hint for one in tools)
    assert '"known"' in text(listed)
    assert wrong.is_error
    assert "did you mean 'known'?" in text(wrong)
    assert "is not a trainer that a submitted space may name here" in text(checked)


def test_only_with_leave_is_anything_changed(server: Served) -> None:
    from pitprop.service.clients.assistant import made

    with Client(server.address, "") as client:
        assert {one.name for one in asked(made(client, write=False))[0]} == LOOKS
        _tools, sent = asked(made(client, write=True), ("submit_search", {"yaml": SPACE, "name": "asked"}))
        assert not sent.is_error, text(sent)
        assert client.found("asked").state in ("queued", "running")
        tools, ended = asked(made(client, write=True), ("cancel_search", {"search": "asked"}))
        assert not ended.is_error
        assert next(one for one in tools if one.name == "cancel_search").annotations.destructive_hint
        assert json.loads(text(ended))["state"] in ("cancelled", "cancelling")


def test_without_the_sdk_one_is_told_what_to_install(server: Served) -> None:
    hide = "import sys; sys.modules['mcp'] = None; from pitprop.cli.main import main; sys.exit(main())"
    said = subprocess.run(
        [sys.executable, "-c", hide, "mcp", "--server", server.address], capture_output=True, text=True, check=False
    )
    assert said.returncode == 1
    assert said.stderr.strip().endswith("pip install 'pitprop[mcp]'")
    assert "Traceback" not in said.stderr
