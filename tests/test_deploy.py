"""What is in deploy/ is valid where it is read, and names commands, variables and versions that there are."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from pitprop.cli.main import _parser
from pitprop.trainer import names

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SCHEMAS = os.environ.get("DEPLOY_SCHEMAS")
"""A folder with KubeRay's ray.io_rayclusters.yaml and ray.io_rayjobs.yaml, and compose-spec.json: too large to keep here."""
VARIABLES = ("STUDY_DB", "MLFLOW_TRACKING_URI", "RAY_ADDRESS", "PITPROP_STORAGE")
KINDS = ("ResourceFlavor", "ClusterQueue", "LocalQueue")
FILES = sorted(path.name for path in DEPLOY.iterdir() if path.is_file())


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def text(name: str) -> str:
    return (DEPLOY / name).read_text()


def strict(schema: Any) -> Any:
    """A schema of Kubernetes that refuses keys which it does not name, as the server does."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {}
    found = {key: strict(one) for key, one in schema.items()}
    named = found.get("type") == "object" and isinstance(found.get("properties"), dict)
    if named and "additionalProperties" not in found and not found.get("x-kubernetes-preserve-unknown-fields"):
        found["additionalProperties"] = False
    return found


@pytest.fixture
def schemas() -> Path:
    if SCHEMAS is None:
        pytest.skip("DEPLOY_SCHEMAS names no folder with the schemas of KubeRay and of compose")
    return Path(SCHEMAS)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".yaml")])
def test_every_file_is_yaml_whose_versions_are_those_that_are_installed(name: str) -> None:
    assert documents(name)
    said = re.findall(r"(?:rayVersion: \"|ray\[default\]==)([\d.]+)", text(name))
    assert set(said) <= {version("ray")}
    assert set(re.findall(r"torch==([\d.]+)", text(name))) <= {version("torch").partition("+")[0]}


def commands() -> Iterator[tuple[str, list[str]]]:
    """The command lines of ours in the files, with where they stand."""
    for name in FILES:
        for found in re.finditer(r"(?:^|[\s/\"])pitprop ((?:search|doctor|serve) .*)", text(name)):
            yield name, shlex.split(re.split(r" &| \|\||\"$", found[1])[0])


@pytest.mark.parametrize(("name", "words"), list(commands()), ids=lambda one: one if isinstance(one, str) else " ".join(one))
def test_every_command_of_ours_has_flags_that_there_are(name: str, words: list[str]) -> None:
    given = [names()[0] if word in ("SPACE", "$@", "$1") else word for word in words]
    assert _parser().parse_args(given).command == words[0]


@pytest.mark.parametrize("name", FILES)
def test_no_secret_is_written_down(name: str) -> None:
    said = re.findall(r"(?i)(?:password|token|secret_access_key)[\"']?[:=]\s*[\"']?([^\s\"',}]+)", text(name))
    assert all(one.startswith(("$", "...", "{", "pitprop-", "~/")) for one in said), said


def test_ray_takes_the_cluster_file() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    (config,) = documents("ray-cluster.yaml")
    validate_config(prepare_config(config))


JOBS = [("kuberay-cluster.yaml", "raycluster"), ("kuberay-job.yaml", "rayjob"), ("kueue-job.yaml", "rayjob")]


@pytest.mark.parametrize(("name", "kind"), JOBS)
def test_kuberay_takes_the_manifests(name: str, kind: str, schemas: Path) -> None:
    import jsonschema

    versions = yaml.safe_load((schemas / f"ray.io_{kind}s.yaml").read_text())["spec"]["versions"]
    schema = strict(next(one for one in versions if one["name"] == "v1")["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {}
    (found,) = [one for one in documents(name) if one["kind"].lower() == kind]
    jsonschema.Draft202012Validator(schema).validate(found)


@pytest.mark.parametrize("name", [name for name, _kind in JOBS])
def test_gpus_are_asked_for_and_given_and_volumes_and_secrets_are_named_alike(name: str) -> None:
    found = next(one for one in documents(name) if one["kind"] in ("RayCluster", "RayJob"))
    spec = found["spec"].get("rayClusterSpec", found["spec"])
    for group in spec["workerGroupSpecs"]:
        (container,) = group["template"]["spec"]["containers"]
        assert container["resources"]["requests"]["nvidia.com/gpu"] == container["resources"]["limits"]["nvidia.com/gpu"]
    claims = {one["metadata"]["name"] for one in documents("kuberay-cluster.yaml") if one["kind"] == "PersistentVolumeClaim"}
    for pod in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]:
        volumes = {one["name"]: one for one in pod["template"]["spec"]["volumes"]}
        (container,) = pod["template"]["spec"]["containers"]
        assert {one["name"] for one in container["volumeMounts"]} == volumes.keys()
        assert {one["persistentVolumeClaim"]["claimName"] for one in volumes.values() if "persistentVolumeClaim" in one} <= claims
    for secret in set(re.findall(r"(?:secretRef: \{|secretKeyRef: \{|secretName: )(?:name: )?([\w-]+)", text(name))):
        assert f"create secret generic {secret} " in text("kuberay-cluster.yaml") + text("kuberay-job.yaml")


def test_the_job_in_a_queue_is_the_job_without_one_as_kueue_takes_it() -> None:
    *queues, queued = documents("kueue-job.yaml")
    (alone,) = documents("kuberay-job.yaml")
    flavor, whole, local = (next(one for one in queues if one["kind"] == kind) for kind in KINDS)
    assert queued["metadata"].pop("labels") == {"kueue.x-k8s.io/queue-name": local["metadata"]["name"]}
    assert local["spec"]["clusterQueue"] == whole["metadata"]["name"]
    (group,) = whole["spec"]["resourceGroups"]
    (given,) = group["flavors"]
    assert given["name"] == flavor["metadata"]["name"]
    assert [one["name"] for one in given["resources"]] == group["coveredResources"]
    cluster = queued["spec"]["rayClusterSpec"]
    for pod in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        (container,) = pod["template"]["spec"]["containers"]
        assert container["resources"]["requests"].keys() <= set(group["coveredResources"])
    assert queued["spec"]["shutdownAfterJobFinishes"]
    assert not cluster["enableInTreeAutoscaling"]
    for one in (queued, alone):  # and a number of nodes that stays
        one["spec"]["rayClusterSpec"].pop("enableInTreeAutoscaling")
        for workers in one["spec"]["rayClusterSpec"]["workerGroupSpecs"]:
            counts = [workers.pop(key) for key in ("replicas", "minReplicas", "maxReplicas")]
            assert one is alone or len(set(counts)) == 1
    assert queued == alone


def test_compose_takes_its_file(schemas: Path) -> None:
    import jsonschema

    (found,) = documents("compose.yaml")
    jsonschema.Draft202012Validator(json.loads((schemas / "compose-spec.json").read_text())).validate(found)


def test_docker_compose_reads_its_file() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not here")
    given = {**os.environ, "POSTGRES_PASSWORD": "x", "RAY_AUTH_TOKEN": "y"}
    subprocess.run([docker, "compose", "--file", "compose.yaml", "config", "--quiet"], cwd=DEPLOY, env=given, check=True)


def test_the_services_of_compose_know_each_other() -> None:
    (found,) = documents("compose.yaml")
    services, volumes = found["services"], found["volumes"].keys()
    for one in services.values():
        assert set(one.get("depends_on", ())) <= services.keys()
        assert {volume.partition(":")[0] for volume in one.get("volumes", ())} <= volumes
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ()))
    for host in re.findall(r"(?:@|//|=)([a-z]+)[:/](?:\d|pitprop|mlflow)", text("compose.yaml")):
        assert host in services or host == "localhost"
    assert set(VARIABLES) - {"PITPROP_STORAGE"} <= services["driver"]["environment"].keys()


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not here (apt-get install shellcheck)")
def test_shellcheck_finds_nothing_in_the_slurm_script() -> None:
    subprocess.run(["shellcheck", str(DEPLOY / "slurm.sh")], check=True)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
@pytest.mark.parametrize("name", ["pitprop-search@.service", "pitprop-serve.service"])
def test_systemd_takes_the_units(name: str, tmp_path: Path) -> None:
    unit, file = text(name).replace("/opt/pitprop/.venv/bin/pitprop", "/bin/true"), tmp_path / name.replace("@", "@x")
    file.write_text(unit)
    done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(one in unit for one in VARIABLES)
