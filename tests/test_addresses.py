"""An address at which there is no Ray is told at once, and a search that is handed over carries what it was told."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Said
from nodes import free_port
from pitprop.cli.options import RunOptions, StudyOptions
from pitprop.cli.training.handover import _flags
from pitprop.errors import UserError
from pitprop.workers.cluster import connection
from pitprop.workers.files import filesystem
from pitprop.workers.launch import LaunchError


def test_what_is_no_address_is_told_which_there_are(pitprop: Callable[..., Said]) -> None:
    said = pitprop("search", "lr", "--ray", "head")
    assert said.code == 1
    assert "head is no address of a Ray: give auto, HOST:PORT, or http://HOST:8265" in said.err


def test_a_port_at_which_nobody_listens_is_not_waited_for() -> None:
    with pytest.raises(LaunchError, match=r"does not answer: .*refused; start the head"):
        connection.join(f"127.0.0.1:{free_port()}", logs=False, code=dict)


def test_the_port_of_a_web_server_is_told_to_be_none_of_ray() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        server.RequestHandlerClass.log_message = lambda *_words: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        with pytest.raises(LaunchError, match=f"if it is Ray's dashboard, --ray http://{address} runs the search there"):
            connection.join(address, logs=False, code=dict)
        server.shutdown()


def test_a_search_that_is_handed_over_carries_its_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunOptions(workers=3, seed=20261128, timeout=5400.0, storage="/shared/x")
    given = _flags(StudyOptions("lr"), run)
    assert given == ["--workers", "3", "--seed", "20261128", "--timeout", "5400.0", "--storage", "/shared/x"]
    monkeypatch.setenv("PITPROP_STORAGE", "s3://bucket/x")
    assert _flags(StudyOptions("lr"), RunOptions()) == ["--storage", "s3://bucket/x"]
    with pytest.raises(UserError, match="holds a password"):
        _flags(StudyOptions("lr"), RunOptions(storage="sftp://me:secret@host/x"))


def test_a_storage_where_pyarrow_is_missing_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filesystem._system.cache_clear()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(filesystem.StorageError, match="pip install pyarrow on every node"):
        filesystem.check(str(tmp_path))


def test_a_python_without_our_libraries_is_named(tmp_path: Path) -> None:
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich" / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'rich'\", name='rich')\n")
    command = [sys.executable, "-m", "pitprop.cli.main", "doctor"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "has no rich, which pitprop needs" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_job_server_that_is_not_reached_through_a_proxy_is_told_with_it(
    pitprop: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{free_port()}")
    said = pitprop("search", "lr", "--ray", "http://head:8265")
    assert said.code == 1
    assert "through the proxy http://me:***@127.0.0.1" in said.err
    assert "no_proxy=head" in said.err
