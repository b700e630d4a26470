import pathlib
import re

README = (pathlib.Path(__file__).parent.parent / "README.md").read_text()


def test_the_script_runs_as_printed(capsys, monkeypatch):
    (script,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(script, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "array" in printed


def test_links_lead_somewhere():
    root = pathlib.Path(__file__).parent.parent
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / target).exists(), target


def test_commands_are_there_for_ci():
    for name, end in (("demo", "keras-xmodal demo"), ("test", "pytest")):
        block = README.split(f"<!-- {name} -->")[1]
        block = block.split(f"<!-- /{name} -->")[0]
        assert block.strip().endswith(end)
