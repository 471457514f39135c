"""The Unity package as Unity's package manager takes it, as far as that can be said without Unity."""

from __future__ import annotations

import json
import re

import rt_service
from tests.support.unity_metas import PACKAGE, assets, meta_of

MANIFEST = json.loads((PACKAGE / "package.json").read_text())


def test_every_file_and_folder_has_a_meta_with_a_guid_of_its_own() -> None:
    missing = [str(asset) for asset in assets() if not meta_of(asset).exists()]
    assert not missing, "python -m tests.support.unity_metas"
    guids = [re.findall(r"^guid: ([0-9a-f]{32})$", meta_of(asset).read_text(), re.MULTILINE) for asset in assets()]
    assert all(len(guid) == 1 for guid in guids)
    assert len({guid[0] for guid in guids}) == len(guids) > 30


def test_no_meta_is_left_of_a_file_that_is_gone() -> None:
    metas = set(PACKAGE.rglob("*.meta"))
    assert metas == {meta_of(asset) for asset in assets()}


def test_the_script_for_webgl_is_for_webgl_alone() -> None:
    (script,) = PACKAGE.rglob("*.jslib")
    enabled = re.findall(r"(Any|Editor|WebGL):[^\n]*\n    second:\n      enabled: (\d)", meta_of(script).read_text())
    assert enabled == [("Any", "0"), ("Editor", "0"), ("WebGL", "1")]


def test_the_manifest_names_what_is_there() -> None:
    assert MANIFEST["version"] == rt_service.__version__
    assert MANIFEST["unity"] == "2021.3"
    for sample in MANIFEST["samples"]:
        assert list((PACKAGE / sample["path"]).glob("*.asmdef"))
    assert (PACKAGE / "README.md").exists() and (PACKAGE / "CHANGELOG.md").exists()


def test_every_assembly_refers_to_what_there_is() -> None:
    known = {"UnityEngine.UI", "Unity.InputSystem", "UnityEngine.TestRunner", "UnityEditor.TestRunner"}
    assemblies = {
        json.loads(path.read_text())["name"]: json.loads(path.read_text()) for path in PACKAGE.rglob("*.asmdef")
    }
    assert set(assemblies) == {"RtService", "RtService.Editor", "RtService.Tests", "RtService.Samples"}
    for assembly in assemblies.values():
        assert set(assembly["references"]) <= known | set(assemblies)
    for path in PACKAGE.rglob("*.asmdef"):
        assert json.loads(path.read_text())["name"] == path.stem


def test_nothing_is_in_it_that_aot_compilers_cannot_take() -> None:
    assert not [path for path in PACKAGE.rglob("*") if path.suffix in (".dll", ".so", ".bundle")]
    for path in (PACKAGE / "Runtime").rglob("*.cs"):
        found = re.search(
            r"Reflection\.Emit|System\.Text\.Json|\bdynamic\b|Newtonsoft|GetMethod|Activator", path.read_text()
        )
        assert found is None, (path, found)
