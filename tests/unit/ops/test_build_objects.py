"""An object is compiled again when something that it is made of has changed, and only then."""

import json
import os
import shlex
import shutil
import subprocess
import sys

import pytest

from deepattn.ops import build
from deepattn.ops.build import build_cuda, build_objects, build_units

COMPILER = shlex.split(os.environ.get("CXX", "c++"))

pytestmark = pytest.mark.skipif(
    shutil.which(COMPILER[0]) is None, reason="no C++ compiler: c++ is not on the PATH"
)


@pytest.fixture
def source(tmp_path):
    """A source that includes a header of a folder with a space in its name."""
    folder = tmp_path / "the sources"
    folder.mkdir()
    (folder / "number.h").write_text("#define NUMBER 1\n")
    (folder / "a.cc").write_text('#include "number.h"\nint a() { return NUMBER + FURTHER; }\n')
    (folder / "b.cc").write_text("int b() { return 2; }\n")
    return folder


@pytest.fixture
def compile(source, tmp_path, capfd):
    """Compiles both; gives the objects, and which were compiled anew."""

    def call(*flags, version="1", folder=source):
        store = build_objects.ObjectStore(tmp_path / "kept", version, {"here": folder})
        items = [
            ("a.cc", folder / "a.cc", (*COMPILER, "-DFURTHER=0", *flags)),
            ("b.cc", folder / "b.cc", (*COMPILER, *flags)),
        ]
        objects = store.compile(items, "tests", build_cuda.run)
        lines = capfd.readouterr().err.splitlines()
        return objects, sorted(line.rpartition(" ")[2] for line in lines)

    return call


def test_nothing_is_compiled_twice(compile):
    first, compiled = compile()
    assert compiled == ["a.cc", "b.cc"]
    times = [path.stat().st_mtime_ns for path in first.values()]
    assert compile() == (first, [])
    assert [path.stat().st_mtime_ns for path in first.values()] == times


def test_a_header_that_changes(compile, source):
    first, _ = compile()
    old = first["a.cc"].read_bytes()
    (source / "number.h").write_text("#define NUMBER 5\n")
    second, compiled = compile()
    assert compiled == ["a.cc"] and second == first
    assert second["a.cc"].read_bytes() != old
    (source / "number.h").touch()  # not a change
    assert compile()[1] == []


def test_flags_and_compilers_have_objects_of_their_own(compile):
    compile()
    assert compile("-O1")[1] == ["a.cc", "b.cc"]
    assert compile(version="2")[1] == ["a.cc", "b.cc"]
    assert compile()[1] == []


def test_folders_may_move(compile, source, tmp_path):
    compile()
    moved = source.rename(tmp_path / "moved")
    assert compile(folder=moved)[1] == []


@pytest.mark.parametrize("damage", ["object", "record", "header"])
def test_what_is_damaged_is_compiled_again(compile, source, damage):
    objects, _ = compile()
    if damage == "object":
        objects["a.cc"].write_bytes(b"")
    elif damage == "record":
        objects["a.cc"].with_suffix(".json").write_text("[]")
    else:
        (source / "a.cc").write_text('#include "other.h"\nint a() { return 0; }\n')
        (source / "number.h").rename(source / "other.h")
    assert compile()[1] == ["a.cc"]


def test_a_source_that_is_edited_meanwhile(source, tmp_path):
    """The object may be of either text, so it counts for neither."""
    store = build_objects.ObjectStore(tmp_path / "kept", "1")
    items = [("b.cc", source / "b.cc", tuple(COMPILER))]

    def run(command):
        build_cuda.run(command)
        text = "int b() { return 3; }\n"
        (source / "b.cc").write_text(text)

    (path,) = store.compile(items, "tests", run).values()
    assert path.is_file() and not path.with_suffix(".json").exists()


def test_headers_that_are_compiled_once(source, tmp_path):
    """Units of the same flags use them, and still depend on every file of theirs."""
    commands = []

    def run(words):
        commands.append(words)
        return build_cuda.run(words)

    def open_store():
        return build_objects.ObjectStore(tmp_path / "kept", "1", {"here": source})

    flags = (*COMPILER, "-DFURTHER=0")
    items = [
        build_objects.Compilation("a.cc", source / "a.cc", flags),
        build_objects.Compilation("b.cc", source / "b.cc", tuple(COMPILER)),
    ]
    headers = build_objects.precompile(
        tmp_path / "compiled", [str(source / "number.h")], flags, run
    )
    open_store().compile(items, "tests", run, jobs=1, headers=headers)
    assert ["-include" in words for words in commands] == [False, True, False]
    shutil.rmtree(headers.path.parent)
    assert open_store().due(items) == []
    (source / "number.h").write_text("#define NUMBER 5\n")
    assert open_store().due(items) == items[:1]


def test_headers_that_cannot_be_compiled(tmp_path):
    folder = tmp_path / "compiled"
    assert build_objects.precompile(folder, ["missing.h"], tuple(COMPILER), build_cuda.run) is None
    assert not folder.exists()


def test_files_of_a_rule():
    rule = "a.o: a.cc /usr/x.h \\\n the\\ sources/$$b.h \\\n  c\\#d.h\n"
    assert build_objects.included(rule) == ["a.cc", "/usr/x.h", "the sources/$b.h", "c#d.h"]
    assert build_objects.included("") == []


@pytest.fixture
def variants(source, monkeypatch):
    """Kernels of one source that is compiled twice, and a library of ops that call them."""
    kernels = (
        build_units.Unit("a.cc", flags=("-DFURTHER=10", "-Da=deepattn_ten"), variant="ten"),
        build_units.Unit("a.cc", flags=("-DFURTHER=20", "-Da=hidden"), variant="twenty"),
    )
    (source / "a.cc").write_text(
        '#include "number.h"\n'
        "#if FURTHER == 10\n"
        'extern "C" int hidden();\nextern "C" int a() { return hidden() + NUMBER; }\n'
        "#else\n"
        'extern "C" int a() { return FURTHER; }\n'
        "#endif\n"
    )
    (source / "b.cc").write_text(
        'extern "C" int deepattn_ten();\nextern "C" int b() { return deepattn_ten() + VERSION; }\n'
    )
    monkeypatch.setattr(build_units, "KERNEL_UNITS", kernels)
    monkeypatch.setattr(build_units, "OP_UNITS", {"libdeepattn_test": (build_units.Unit("b.cc"),)})
    monkeypatch.setenv(build_cuda.ARCHITECTURES, "none")
    return source


def tensorflow(minor):
    """A TensorFlow of which nothing but the version is used."""
    return {
        "tensorflow": f"2.{minor}.0",
        "compile": ["-I/tf/include", f"-DVERSION={minor}"],
        "link": [],
    }


def test_kernels_once_and_ops_for_each_tensorflow(variants, tmp_path):
    """A source may be compiled several times; of the kernels only the C interface is visible."""
    output = tmp_path / "lib"
    output.mkdir()
    (output / "libdeepattn_test_tf2.1.so").write_bytes(b"of an earlier build")
    tensorflows = [tensorflow(20), tensorflow(21)]
    build.build(output, source=variants, tensorflows=tensorflows)
    ops = ["libdeepattn_test_tf2.20.so", "libdeepattn_test_tf2.21.so"]
    names = ["libdeepattn_kernels.so", *ops]
    assert sorted(path.name for path in output.iterdir()) == [build.INFO_NAME, *names]
    info = json.loads((output / build.INFO_NAME).read_text())
    assert info["tensorflow"] == {"2.20": "2.20.0", "2.21": "2.21.0"}

    moved = output.rename(tmp_path / "moved")  # they find the kernels wherever they are
    # In a process that has not loaded deepattn's own kernels, whose library has the same name.
    code = f"""
import ctypes
load = lambda name: ctypes.CDLL({str(moved)!r} + "/" + name)
kernels = load({names[0]!r})
print([load(name).b() for name in {ops}], kernels.deepattn_ten(), hasattr(kernels, "hidden"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split("\n")[0] == "[41, 42] 21 False", done.stderr

    again = build.build(tmp_path / "again", source=variants, tensorflows=tensorflows)
    for name in names:
        assert (again / name).read_bytes() == (moved / name).read_bytes()


def test_compile_commands(variants, tmp_path):
    path = build.write_compile_commands(
        tmp_path / "build" / "compile_commands.json", source=variants, tensorflow=tensorflow(21)
    )
    entries = {entry["output"]: entry for entry in json.loads(path.read_text())}
    assert {"a.cc:ten.o", "a.cc:twenty.o", "b.cc.o"} <= set(entries)
    entry = entries["a.cc:ten.o"]
    assert entry["file"] == str(variants / "a.cc") == entry["arguments"][-1]
    assert {"-DFURTHER=10", f"-I{variants}"} <= set(entry["arguments"])
    assert "-I/tf/include" in entries["b.cc.o"]["arguments"]
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["compile_commands.json"]


def test_every_source_has_its_command(tmp_path):
    """Those of kernels for GPUs are there as they are compiled for the host."""
    path = build.write_compile_commands(tmp_path / "c.json", tensorflow=tensorflow(21))
    files = {entry["file"] for entry in json.loads(path.read_text())}
    source = build.source_dir()
    assert files == {str(path) for kind in ("cc", "cu") for path in source.rglob(f"*.{kind}")}
