"""The kernels of each architecture in the built CUDA library, as cuobjdump lists them.

    python benchmarks/gpu_kernels/kernels.py [LIBRARY]

Ends with status 1 unless the library has the same kernels for every architecture that its
``build-info.json`` names, and PTX. Needs c++filt, no device, and cuobjdump: that of the CUDA
toolkit, or that of ``pip install nvidia-cuda-cuobjdump``.
"""

import argparse
import json
import re
import shutil
import sys
import sysconfig
from pathlib import Path

import libraries
from registers import builder, readable


def find_cuobjdump() -> str:
    """The program, on the path or among the packages of this Python.

    Raises:
        SystemExit: there is none.
    """
    packages = Path(sysconfig.get_path("purelib"))
    places = map(str, packages.glob("nvidia/*/bin/cuobjdump"))
    found = shutil.which("cuobjdump") or next(places, None)
    return found or sys.exit("there is no cuobjdump: pip install nvidia-cuda-cuobjdump")


def kernels(cuobjdump: str, library: Path) -> dict[str, dict[str, int]]:
    """By the target, such as ``sm_90``, registers of each kernel by its mangled name."""
    targets: dict[str, dict[str, int]] = {}
    text = builder.run([cuobjdump, "--dump-resource-usage", str(library)])
    for part in text.split("\narch = ")[1:]:
        found = re.findall(r"Function (\w+):\s+REG:(\d+)", part)
        targets.setdefault(part.split()[0], {}).update((name, int(count)) for name, count in found)
    for target in re.findall(r"\.(sm_\d+)\.ptx", builder.run([cuobjdump, "--list-ptx", library])):
        targets.setdefault(target.replace("sm", "compute"), {})
    return {target: names for target, names in targets.items() if names or "compute" in target}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    built = libraries.builder.LIB_DIR / builder.LIBRARY
    parser.add_argument("library", nargs="?", type=Path, default=built)
    library = parser.parse_args().library
    if not library.is_file():
        sys.exit(f"{library} is not there; build it with: {libraries.builder.COMMAND}")
    info = json.loads((library.parent / libraries.builder.INFO_NAME).read_text())
    found = kernels(find_cuobjdump(), library)
    names = sorted({name for target in found.values() for name in target}, key=readable)
    codes = [target for target in found if target.startswith("sm")]
    print(f"| kernel | registers: {' | '.join(codes)} |")
    print("|---" * (1 + len(codes)) + "|")
    for name in names:
        counts = [str(found[target].get(name, "missing")) for target in codes]
        print(f"| `{readable(name)}` | {' | '.join(counts)} |")
    print(f"\n{len(names)} kernels for {', '.join(found)}")
    wanted = info["cuda"].get("targets", [])
    if set(found) != set(wanted) or any(set(found[target]) != set(names) for target in codes):
        sys.exit(f"not the same kernels for all of {', '.join(wanted)}")


if __name__ == "__main__":
    main()
