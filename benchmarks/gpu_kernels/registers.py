"""Registers, spills and shared memory of every CUDA kernel, as the compiler tells them.

python benchmarks/gpu_kernels/registers.py [--architecture 90]

Prints a table in Markdown. Needs nvcc and c++filt, and no device.
"""

import argparse
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor

import libraries

builder = libraries.builder.build_cuda
SOURCE = libraries.ROOT / "ops"


def compile_unit(unit, architecture) -> str:
    """What the assembler says of the kernels of one file."""
    with tempfile.TemporaryDirectory() as folder:
        flags = [*builder.NVCC_FLAGS, *builder.UNIT_FLAGS.get(unit.name, ())]
        command = [builder.find_nvcc() or "nvcc", *flags, f"-arch=sm_{architecture}"]
        command += ["--resource-usage", f"-I{SOURCE}", "-c", str(unit), "-o", f"{folder}/unit.o"]
        return builder.run(command, with_stderr=True)


def kernels(text):
    """Mangled name, registers, bytes of stack, of spills and of static shared memory of each."""
    for part in text.split("Compiling entry function")[1:]:

        def number(pattern, part=part):
            found = re.search(pattern, part)
            return int(found.group(1)) if found else 0

        yield (
            re.search(r"'(\w+)'", part).group(1),
            number(r"Used (\d+) registers"),
            number(r"(\d+) bytes stack frame"),
            number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"),
            number(r"(\d+) bytes smem"),
        )


def readable(mangled) -> str:
    """``Kernel<float>`` of ``void deepattn::Run<deepattn::Kernel<float> >(…)``."""
    name = builder.run(["c++filt", mangled]).strip()
    name = re.sub(r"deepattn::|\(anonymous namespace\)::|\(bool\)|\(int\)", "", name)
    return name[len("void Run<") : name.index(">(")].strip()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", default="90", help="compute capability without its dot")
    architecture = parser.parse_args().architecture
    units = builder.cuda_units(SOURCE)
    with ThreadPoolExecutor() as pool:
        texts = list(pool.map(lambda unit: compile_unit(unit, architecture), units))
    rows = {readable(name): row for text in texts for name, *row in kernels(text)}
    print("| kernel | registers | stack, bytes | spills, bytes | static shared memory, bytes |")
    print("|---|---|---|---|---|")
    for name, row in sorted(rows.items()):
        print(f"| `{name}` | {' | '.join(map(str, row))} |")


if __name__ == "__main__":
    main()
