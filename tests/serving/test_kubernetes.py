"""The manifest, by the classes of the Kubernetes client that KServe brings."""

import subprocess

import pytest

pytestmark = pytest.mark.large

SCRIPT = """
import re, sys
import yaml
from kubernetes import client


def check(value, kind, place):
    of_list = re.match(r"[Ll]ist\\[(\\w+)\\]", kind)
    if of_list:
        for i, item in enumerate(value):
            check(item, of_list[1], f"{place}[{i}]")
        return
    kind = getattr(client, kind, None)
    if kind is None:
        return
    names = {key: name for name, key in kind.attribute_map.items()}
    for key, item in value.items():
        check(item, kind.openapi_types[names[key]], f"{place}.{key}")
    # It raises where a field that must be there is missing.
    kind(**{names[key]: item for key, item in value.items()})
    print(place)


for content in yaml.safe_load_all(open(sys.argv[1])):
    check(content, f"V1{content['kind']}", content["kind"])
"""


def run(python, file):
    return subprocess.run(
        [python, "-c", SCRIPT, file], capture_output=True, text=True
    )


def test_every_field_is_one_of_kubernetes(kserve_python, repository, tmp_path):
    file = repository[0] / "kubernetes.yaml"
    result = run(kserve_python, file)
    assert result.returncode == 0, result.stderr
    places = result.stdout.splitlines()
    container = "Deployment.spec.template.spec.containers[0]"
    for field in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert f"{container}.{field}" in places
    assert f"{container}.resources" in places
    assert "Service.spec.ports[1]" in places

    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(file.read_text().replace("httpGet:", "httpget:"))
    assert "KeyError: 'httpget'" in run(kserve_python, wrong).stderr
