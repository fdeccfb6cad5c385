"""The manifests of deploy/kubernetes and the Dockerfile: their form, and whether Velocem understands what they say."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from support.client import Client, request
from support.fronts import DATA, DEPLOY, free_port
from support.process import Process

MANIFESTS = DEPLOY / "kubernetes"
DOCKERFILE = DEPLOY / "docker" / "Dockerfile"
NAMES = sorted(path.name for path in MANIFESTS.iterdir())
# The oldest that is still maintained somewhere, and the newest whose schema is installed.
VERSIONS = ["1.27", kubernetes_validate.latest_version()]


def manifest(name: str) -> Any:
    return yaml.safe_load((MANIFESTS / name).read_text())


def container() -> Any:
    return manifest("deployment.yaml")["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", NAMES)
def test_manifest_has_the_form_of_its_schema(name: str, version: str) -> None:
    kubernetes_validate.validate(manifest(name), version, strict=True)


def test_schema_would_find_a_mistake() -> None:
    broken = manifest("deployment.yaml")
    broken["spec"]["template"]["spec"]["containers"][0]["readinessProbes"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


def test_manifests_belong_together() -> None:
    deployment, labels = manifest("deployment.yaml"), {"app": "app"}
    template = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"] == labels
    assert manifest("service.yaml")["spec"]["selector"] == labels
    assert manifest("pdb.yaml")["spec"]["selector"]["matchLabels"] == labels
    target = manifest("hpa.yaml")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (deployment["kind"], deployment["metadata"]["name"])
    assert "replicas" not in deployment["spec"]
    ports = {port["name"] for port in container()["ports"]}
    probes = [container()[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")]
    assert {probe["httpGet"]["port"] for probe in probes} <= ports
    assert {port["targetPort"] for port in manifest("service.yaml")["spec"]["ports"]} <= ports


def test_pod_lives_longer_than_it_drains() -> None:
    spec = manifest("deployment.yaml")["spec"]["template"]["spec"]
    before = int(container()["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert spec["terminationGracePeriodSeconds"] > before + 30


def docker_command() -> list[str]:
    found = re.search(r"^CMD (\[.*\])$", DOCKERFILE.read_text(), re.MULTILINE)
    assert found
    words: list[str] = json.loads(found[1])
    return words


@pytest.mark.parametrize("words", [container()["args"], docker_command()], ids=["kubernetes", "docker"])
def test_command_serves_and_ends_in_peace(words: list[str], tmp_path: Path) -> None:
    assert words[:2] == ["velocem", "app:app"]
    ports = {":8000": free_port(), ":9000": free_port()}
    options = [f":{ports[word]}" if word in ports else word for word in words[2:]]
    assert options != words[2:]
    with Process("fronted:app", *options, "--app-dir", str(DATA), cwd=tmp_path) as process:
        with Client(("127.0.0.1", ports[":8000"])) as client:
            assert client.ask(request()).body == b"hello"
        for probe in ("startupProbe", "readinessProbe", "livenessProbe") if ":9000" in words else ():
            with Client(("127.0.0.1", ports[":9000"])) as client:
                assert client.ask(request("GET", container()[probe]["httpGet"]["path"])).status == 200
        process.send(signal.SIGTERM)
        assert process.wait() == 0


def test_port_is_the_one_that_is_exposed() -> None:
    text = DOCKERFILE.read_text()
    assert "EXPOSE 8000" in text
    assert ":8000" in docker_command()
    assert container()["ports"][0]["containerPort"] == 8000
    assert re.search(r"^USER \d+$", text, re.MULTILINE)
    known = {"FROM", "RUN", "ENV", "COPY", "WORKDIR", "USER", "EXPOSE", "CMD"}
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert {line.split()[0] for line in lines} <= known


@pytest.mark.parametrize(
    "path", sorted(path for path in DEPLOY.rglob("*") if path.is_file()), ids=lambda path: path.name
)
def test_every_file_says_what_it_is(path: Path) -> None:
    assert path.read_text().startswith("# ")
