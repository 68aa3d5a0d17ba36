#pragma once

#include "base/job.h"

namespace t2i {

/// Refuses what would make us read beyond an array; the request itself was checked long before.
///
/// @throws Error INTERNAL, naming the array, what it should hold and for what
void require_consistent(const Job& job, const ModelFacts& model);

}  // namespace t2i
