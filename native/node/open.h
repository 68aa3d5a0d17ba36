#pragma once

#include <napi.h>

#include "node/argument.h"

namespace t2i {

/// `Session.open(options)`: a thread of its own opens TensorRT, reads the engines and makes the pipeline; `promise` is
/// then answered with the Session, or with why there is none.
void open_session(const Argument& options, const Napi::Promise::Deferred& promise);

}  // namespace t2i
