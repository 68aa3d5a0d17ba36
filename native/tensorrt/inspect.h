#pragma once

#include <string>

#include "tensorrt/library.h"

namespace t2i::tensorrt {

/// All that can be known of a runtime library without loading it: a searched folder may hold anything, and what is
/// merely listed must not run. What is wrong is in `problem`, `hint` and `notes`.
///
/// The version is the constant that getInferLibVersion returns, read from its two machine instructions; where the
/// function is longer than that, it is the version in the name of the file behind the links, else the soname's major
/// version alone. Library::open asks the function.
LibraryInfo inspect(const std::string& path);

/// Whether `name` is what a runtime library's file is called, of any version: libnvinfer, libnvinfer_lean or
/// libtensorrt_rtx.
bool is_runtime_name(const std::string& name);

}  // namespace t2i::tensorrt
