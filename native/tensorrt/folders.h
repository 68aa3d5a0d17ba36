#pragma once

#include <string>
#include <vector>

namespace t2i::tensorrt {

/// Folders in which the dynamic loader looks: LD_LIBRARY_PATH, those of /etc/ld.so.conf, the system's own. Some may not
/// exist.
std::vector<std::string> loader_folders();

/// Folders where TensorRT's archives are usually unpacked; only such that exist.
std::vector<std::string> usual_folders();

/// Names of a folder's files, sorted; empty where it cannot be read, with the reason in `reason`.
std::vector<std::string> list_folder(const std::string& folder, std::string& reason);

}  // namespace t2i::tensorrt
