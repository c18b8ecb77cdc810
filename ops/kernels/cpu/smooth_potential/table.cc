// The table of one instruction set; compiled once for each, see simd/instruction_set.h.
#include "embedding.h"
#include "fitting.h"

namespace {

template <typename T>
constexpr deepattn::SmoothKernels<T> kKernels = {
    kLanes<T>,
    Stride<T>,
    PackedSize<T>,
    PackTables<T>,
    PackNet<T>,
    PartScratchSize<T>,
    Describe<T>,
    RowGradients<T>,
    GroupScratchSize<T>,
    GroupMemorySize<T>,
    Descriptors<T>,
    RunFitting<T, false>,
    RunFitting<T, true>,
    MatrixScratchSize<T>,
    MatrixGradient<T>,
    VectorGradients<T>,
    SumsSize<T>,
    TableSumsSize<T>,
    AddEmbeddingGradients<T>,
    WriteTableSums<T>,
    WriteNetSums<T>,
};

}  // namespace

namespace deepattn {

const SmoothTable DEEPATTN_TABLE(kSmooth) = {kKernels<float>, kKernels<double>};

}  // namespace deepattn
