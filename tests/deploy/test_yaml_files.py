"""Every YAML file of deploy/ that is not a template is one that yamllint passes."""

from tests.deploy.validators import DEPLOY, run, validator

_RULES = """
extends: default
rules:
  line-length: {max: 140}
  document-start: disable
  truthy: {check-keys: false}
  braces: {max-spaces-inside: 1}
  comments: {min-spaces-from-content: 1}
"""


def test_yaml_files_are_well_formed_and_name_no_key_twice():
    files = [path for path in DEPLOY.rglob("*.y*ml") if "templates" not in path.parts]
    assert files
    found = run([validator("yamllint"), "--strict", "-d", _RULES, *files])
    assert found.returncode == 0, found.stdout + found.stderr
