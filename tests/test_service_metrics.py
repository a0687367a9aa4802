"""Prometheus and the log are told what the database says, whoever asks, and nothing of whose searches these are."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from pitprop.service.database.lifecycle import Change
from pitprop.service.log_lines import JsonLines
from pitprop.service.prometheus import Metrics
from prometheus_client.parser import text_string_to_metric_families
from services import Kit, kit


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Kit]:
    with kit(tmp_path / "runs", "capacity: {cpus: 4, gpus: 2}") as found:
        yield found


def told(metrics: Metrics) -> dict[str, float]:
    families = text_string_to_metric_families(metrics.text().decode())
    found = {}
    for family in families:
        for one in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in one.labels.items())
            found[f"{one.name}{{{labels}}}" if labels else one.name] = one.value
    return found


def advanced(parts: Kit, search: str, **values: object) -> None:
    with parts.store.writing() as connection:
        parts.store.set(connection, parts.entry(search), **values)


def test_searches_trials_verdicts_and_epochs_are_counted_anew_with_each_change(parts: Kit) -> None:
    metrics = Metrics(parts.store, parts.catalogue)
    first, second = parts.submit(), parts.submit(owner="bert")
    assert told(metrics)["pitprop_searches{state=queued}"] == 2
    progress = {"complete": 3, "pruned": 4, "parked": 1, "epochs": 20, "saved": 30, "stopped": {"nan_loss": 3, "gate:x@5": 1}}
    advanced(parts, first.id, progress=progress, used=12.0, gpus=0.5, started=first.created + 7.0)
    advanced(parts, second.id, progress={**progress, "stopped": {"nan_loss": 1}}, used=1.0)
    found = told(metrics)
    assert found["pitprop_trials{state=complete}"] == 6
    assert found["pitprop_trials{state=pruned}"] == 6
    assert found["pitprop_trials{state=parked}"] == 2
    assert found["pitprop_stopped_trials_total{signature=nan_loss}"] == 4
    assert found["pitprop_trained_epochs_total"] == 40
    assert found["pitprop_saved_epochs_total"] == 60
    assert found["pitprop_worker_seconds_total"] == 13
    assert found["pitprop_gpu_seconds_total"] == 6
    assert found["pitprop_queue_seconds_count"] == 1
    assert found["pitprop_queue_seconds_bucket{le=10.0}"] == 1
    assert found["pitprop_queue_seconds_bucket{le=1.0}"] == 0
    assert found["pitprop_capacity{kind=gpu}"] == 2
    assert found == told(Metrics(parts.store, parts.catalogue)) | {
        name: value for name, value in found.items() if name == "pitprop_queue_oldest_seconds"
    }


def test_a_search_that_is_deleted_is_counted_no_more(parts: Kit) -> None:
    metrics, entry = Metrics(parts.store, parts.catalogue), parts.submit()
    assert told(metrics)["pitprop_searches{state=queued}"] == 1
    Change(parts.store, entry.id, "anna").cancel()
    Change(parts.store, entry.id, "anna").delete()
    parts.submit()
    found = told(metrics)
    assert found["pitprop_searches{state=queued}"] == 1
    assert found["pitprop_searches{state=cancelled}"] == 0


def test_metrics_name_nobody_and_need_a_token_where_requests_do(parts: Kit) -> None:
    parts.submit(owner="anna", name="secret")
    with parts.client() as client:
        answer = client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        assert "anna" not in answer.text
        assert "secret" not in answer.text
    with parts.client(needs_token=True) as client:
        assert client.get("/metrics").status_code == 401


def test_the_dashboard_asks_for_nothing_that_is_not_told(parts: Kit) -> None:
    parts.submit()
    names = {name.partition("{")[0] for name in told(Metrics(parts.store, parts.catalogue))} | {"pitprop_stopped_trials_total"}
    dashboard = json.loads((ROOT / "deploy" / "grafana.json").read_text())
    asked = {
        name for panel in dashboard["panels"] for one in panel["targets"] for name in re.findall(r"pitprop_\w+", one["expr"])
    }
    assert asked <= names
    assert len(dashboard["panels"]) == len({panel["id"] for panel in dashboard["panels"]})


def test_a_line_of_the_log_is_json_with_the_search_that_it_is_about() -> None:
    record = logging.LogRecord("pitprop.service", logging.INFO, "", 1, "search %s is %s%s", ("k3m9x2abcdef", "done", "\n{"), None)
    line = JsonLines().format(record)
    assert "\n" not in line
    row = json.loads(line)
    assert row["search"] == "k3m9x2abcdef"
    assert row["level"] == "info"
    assert row["at"].endswith("+00:00")
