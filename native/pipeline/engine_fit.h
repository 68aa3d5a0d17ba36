#pragma once

#include "base/job.h"
#include "pipeline/pipeline.h"

namespace t2i {

/// Compares the engines' tensors with the model: names, element types, ranks, channels, widths.
///
/// @throws Error ENGINE_INVALID that says all mismatches at once
void require_fit(const Engines& engines, const ModelFacts& model);

}  // namespace t2i
