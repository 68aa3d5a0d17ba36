#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <tuple>

#include "tensorrt/folders.h"
#include "tensorrt/inspect.h"
#include "tensorrt/library.h"

namespace t2i::tensorrt {

namespace {

constexpr const char* kNames = "libnvinfer.so.11, libnvinfer.so.10, libnvinfer_lean.so.* or libtensorrt_rtx.so.1";

/// Libraries in the order of their folders, each file once however many links lead to it.
class Found {
 public:
  void add_file(const std::string& path) {
    std::error_code error;
    const std::filesystem::path real = std::filesystem::canonical(path, error);
    if (seen_.insert(error ? path : real.string()).second) libraries_.push_back(inspect(path));
  }

  /// How many there are in the folder; `reason` says why it cannot be read.
  std::size_t add_folder(const std::string& folder, std::string& reason) {
    std::size_t count = 0;
    for (const std::string& name : list_folder(folder, reason)) {
      if (!is_runtime_name(name)) continue;
      add_file((std::filesystem::path(folder) / name).string());
      ++count;
    }
    return count;
  }

  void add_problem(const std::string& path, std::string problem, std::string hint) {
    LibraryInfo info{};
    info.path = path;
    info.problem = std::move(problem);
    info.hint = std::move(hint);
    libraries_.push_back(std::move(info));
  }

  std::vector<LibraryInfo> best_first() && {
    const auto rank = [](const LibraryInfo& info) {
      const int kind = info.kind == Kind::full ? 0 : info.kind == Kind::rtx ? 1 : 2;
      const auto& [major, minor, patch] = info.version;
      return std::make_tuple(!info.problem.empty(), kind, -major, -minor, -patch);
    };
    std::stable_sort(libraries_.begin(), libraries_.end(),
                     [&](const LibraryInfo& a, const LibraryInfo& b) { return rank(a) < rank(b); });
    return std::move(libraries_);
  }

 private:
  std::set<std::string> seen_;
  std::vector<LibraryInfo> libraries_;
};

/// The folder or file that alone was asked for: what is wrong with it is said, not skipped.
void search_only(const std::string& only, Found& found) {
  const std::string hint =
      "Set T2I_TENSORRT_LIB_DIR or the option to the folder with TensorRT's libraries, or leave both out.";
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(only, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    found.add_problem(only, "there is no folder " + only, hint);
  } else if (std::filesystem::is_regular_file(status)) {
    found.add_file(only);
  } else {
    std::string reason;
    const std::size_t count = found.add_folder(only, reason);
    if (!reason.empty()) {
      found.add_problem(only, only + " cannot be read: " + reason, hint);
    } else if (count == 0) {
      found.add_problem(only, "there is no TensorRT in " + only + ": expected " + kNames, hint);
    }
  }
}

}  // namespace

std::vector<LibraryInfo> find_libraries(const SearchPath& search) noexcept try {
  Found found;
  const char* variable = std::getenv("T2I_TENSORRT_LIB_DIR");
  const std::string only = search.only.empty() && variable != nullptr ? variable : search.only;
  if (!only.empty()) {
    search_only(only, found);
  } else {
    std::string unreadable;
    for (const auto& folders : {loader_folders(), usual_folders(), search.more}) {
      for (const std::string& folder : folders) found.add_folder(folder, unreadable);
    }
  }
  return std::move(found).best_first();
} catch (...) {
  // Out of memory: nothing can be listed.
  return {};
}

}  // namespace t2i::tensorrt
