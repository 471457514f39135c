"""The .meta files of the Unity package: `python -m tests.support.unity_metas` writes those that are missing.

Unity knows a file by the guid that stands there, not by its name: once written, one is never changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent.parent / "clients" / "unity"

FOLDER = "folderAsset: yes\nDefaultImporter:\n  externalObjects: {}\n"
SCRIPT = """MonoImporter:
  externalObjects: {}
  serializedVersion: 2
  defaultReferences: []
  executionOrder: 0
  icon: {instanceID: 0}
"""
WEBGL = """PluginImporter:
  externalObjects: {}
  serializedVersion: 2
  iconMap: {}
  executionOrder: {}
  defineConstraints: []
  isPreloaded: 0
  isOverridable: 0
  isExplicitlyReferenced: 0
  validateReferences: 1
  platformData:
  - first:
      Any:
    second:
      enabled: 0
      settings: {}
  - first:
      Editor: Editor
    second:
      enabled: 0
      settings:
        DefaultValueInitialized: true
  - first:
      WebGL: WebGL
    second:
      enabled: 1
      settings: {}
"""
IMPORTERS = {
    ".cs": SCRIPT,
    ".asmdef": "AssemblyDefinitionImporter:\n  externalObjects: {}\n",
    ".json": "PackageManifestImporter:\n  externalObjects: {}\n",
    ".md": "TextScriptImporter:\n  externalObjects: {}\n",
    ".jslib": WEBGL,
}
END = "  userData:\n  assetBundleName:\n  assetBundleVariant:\n"


def assets() -> Iterator[Path]:
    """What Unity sees, and the samples, which it copies into a project with their metas."""
    for path in sorted(PACKAGE.rglob("*")):
        inside = path.relative_to(PACKAGE).parts
        if path.suffix != ".meta" and not inside[0].startswith("Documentation~") and not path.name.endswith("~"):
            yield path


def meta_of(asset: Path) -> Path:
    return asset.with_name(asset.name + ".meta")


def write_missing() -> None:
    for asset in assets():
        if not meta_of(asset).exists():
            name = f"rt-service/clients/unity/{asset.relative_to(PACKAGE).as_posix()}"
            guid = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
            importer = FOLDER if asset.is_dir() else IMPORTERS[asset.suffix]
            meta_of(asset).write_text(f"fileFormatVersion: 2\nguid: {guid}\n{importer}{END}")


if __name__ == "__main__":
    write_missing()
