"""What the op libraries are made of: sources, the variants of a source, and flags.

`deepattn.ops.build` loads this file by its path, so it imports nothing but the standard library.
"""

import platform
from dataclasses import dataclass

# Neighbors are chosen by float32 sums that must round after every operation, so nothing is fused.
CXX_FLAGS = ("-O3", "-fPIC", "-ffp-contract=off", "-DNDEBUG")

# The vectorized kernels may fuse; each is compiled for the instruction sets of this architecture,
# by the names that kernels/cpu/simd/instruction_set.h has for them.
_FUSED = ("-ffp-contract=fast", "-fno-math-errno")
INSTRUCTION_SETS: dict[str, tuple[str, ...]] = {"Generic": ()}
if platform.machine().lower() in ("x86_64", "amd64"):
    INSTRUCTION_SETS |= {
        "Avx2": ("-mavx2", "-mfma"),
        "Avx512": ("-mavx512f", "-mavx512dq", "-mavx512vl"),
    }


@dataclass(frozen=True)
class Unit:
    """A source as it is compiled into one object.

    A source may be compiled several times, with other flags and defines: those are units of
    different variants.

    Attributes:
        source: the file, in the folder of the sources.
        flags: flags and defines besides those of all units.
        variant: what tells it from other units of the same source.
    """

    source: str
    flags: tuple[str, ...] = ()
    variant: str = ""

    @property
    def name(self) -> str:
        """The source, and the variant after a colon."""
        return f"{self.source}:{self.variant}" if self.variant else self.source


def _vectorized(kernel: str, more: tuple[str, ...] = _FUSED) -> tuple[Unit, ...]:
    """The units that a kernel has for each set of instructions, with more flags."""
    return tuple(
        Unit(
            f"kernels/cpu/{kernel}/table.cc",
            flags=(*more, *flags, f"-DDEEPATTN_ISA={name}"),
            variant=name.lower(),
        )
        for name, flags in INSTRUCTION_SETS.items()
    )


# These give the bits of single operations, so nothing is fused; roots are those of vectors.
_ADAM = _vectorized("adam", ("-fno-math-errno",))
# Both sides of a branch are computed where that leaves a loop without branches.
_ROWS = _vectorized("smooth_rows", ("-fno-math-errno", "-fno-trapping-math"))
_ANGLE_SUMS = _vectorized("angle_sums")
_ATTENTION = _vectorized("attention")
_CONTRACTION = _vectorized("embedded_contraction")
_INVARIANTS = _vectorized("invariants")
_NEIGHBOR_SUMS = _vectorized("neighbor_sums")
_PAIR_ATTENTION = _vectorized("pair_attention")
_PAIR_EMBEDDING = _vectorized("pair_embedding")
_PRODUCT = _vectorized("product")
_SMOOTH = _vectorized("smooth_potential")
_TABULATED = _vectorized("tabulated")
_POTENTIAL = _vectorized("tabulated_potential")
UNIT_FLAGS = {
    unit.name: unit.flags
    for unit in (
        *_ADAM,
        *_ANGLE_SUMS,
        *_ATTENTION,
        *_CONTRACTION,
        *_INVARIANTS,
        *_NEIGHBOR_SUMS,
        *_PAIR_ATTENTION,
        *_PAIR_EMBEDDING,
        *_PRODUCT,
        *_ROWS,
        *_SMOOTH,
        *_TABULATED,
        *_POTENTIAL,
    )
}

# Numerics, without TensorFlow: of this library only the functions of the C interface are visible.
KERNELS = "libdeepattn_kernels.so"
KERNEL_UNITS = (
    Unit("kernels/cpu/adam.cc"),
    *_ADAM,
    *_ANGLE_SUMS,
    Unit("kernels/cpu/attention.cc"),
    *_ATTENTION,
    Unit("kernels/cpu/embedded_sums.cc"),
    *_CONTRACTION,
    Unit("kernels/cpu/env_mat.cc"),
    Unit("kernels/cpu/force.cc"),
    Unit("kernels/cpu/gelu.cc"),
    Unit("kernels/cpu/instruction_set.cc"),
    Unit("kernels/cpu/invariants.cc"),
    *_INVARIANTS,
    Unit("kernels/cpu/neighbor_grid.cc"),
    Unit("kernels/cpu/neighbor_stat.cc"),
    Unit("kernels/cpu/neighbor_sums.cc"),
    *_NEIGHBOR_SUMS,
    Unit("kernels/cpu/pair_attention.cc"),
    *_PAIR_ATTENTION,
    Unit("kernels/cpu/pair_embedding.cc"),
    *_PAIR_EMBEDDING,
    Unit("kernels/cpu/product.cc"),
    *_PRODUCT,
    Unit("kernels/cpu/scratch.cc"),
    Unit("kernels/cpu/smooth_potential.cc"),
    *_SMOOTH,
    *_ROWS,
    Unit("kernels/cpu/tabulated.cc"),
    *_TABULATED,
    Unit("kernels/cpu/tabulated_potential.cc"),
    *_POTENTIAL,
    Unit("kernels/cpu/virial.cc"),
)

# The ops that call them, once for each minor version of TensorFlow.
COMPAT, OWN = "libdeepattn_compat", "libdeepattn_ops"
OP_UNITS = {
    COMPAT: (
        Unit("tf/env_mat_ops.cc"),
        Unit("tf/force_ops.cc"),
        Unit("tf/gelu_ops.cc"),
        Unit("tf/tabulate_fusion_ops.cc"),
        Unit("tf/virial_ops.cc"),
    ),
    OWN: (
        Unit("tf/adam_op.cc"),
        Unit("tf/attention_ops.cc"),
        Unit("tf/embedded_sums_ops.cc"),
        Unit("tf/invariants_ops.cc"),
        Unit("tf/neighbor_stat_op.cc"),
        Unit("tf/neighbor_sums_ops.cc"),
        Unit("tf/pair_attention_ops.cc"),
        Unit("tf/pair_embedding_ops.cc"),
        Unit("tf/product_op.cc"),
        Unit("tf/smooth_potential_ops.cc"),
        Unit("tf/tabulated_ops.cc"),
        Unit("tf/tabulated_potential_op.cc"),
    ),
}
# What the libraries hold besides where the CUDA library was built.
GPU_UNITS = {
    COMPAT: (
        Unit("tf/gpu/env_mat_ops.cc"),
        Unit("tf/gpu/pair_ops.cc"),
        Unit("tf/gpu/tabulate_fusion_ops.cc"),
    ),
    OWN: (
        Unit("tf/gpu/attention_ops.cc"),
        Unit("tf/gpu/pair_embedding_ops.cc"),
        Unit("tf/gpu/tabulated_ops.cc"),
        Unit("tf/gpu/tabulated_potential_ops.cc"),
    ),
}
# What the ops include of TensorFlow, which takes the compiler longer than most of the ops: compiled
# once for all of them.
HEADERS = (
    "tensorflow/core/framework/common_shape_fns.h",
    "tensorflow/core/framework/op.h",
    "tensorflow/core/framework/op_kernel.h",
    "tensorflow/core/framework/resource_mgr.h",
    "tensorflow/core/framework/resource_var.h",
    "tensorflow/core/framework/shape_inference.h",
)
# For fewer units, to compile the headers takes longer than it saves.
FEWEST_FOR_HEADERS = 4


def op_library(name: str, tensorflow: str) -> str:
    """The file of the library `name` of ops for a version of TensorFlow, such as ``2.21.0``."""
    return f"{name}_tf{minor_version(tensorflow)}.so"


def minor_version(tensorflow: str) -> str:
    """``2.21`` of ``2.21.0``."""
    return ".".join(tensorflow.split(".")[:2])
