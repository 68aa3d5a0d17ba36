#include "tensorrt/inspect.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "tensorrt/elf.h"
#include "tensorrt/folders.h"

namespace t2i::tensorrt {

namespace {

using Version = std::array<int, 3>;

/// The newest of each kind that the tests ran against or whose layout they compared.
constexpr Version kTested10{10, 16, 0};
constexpr Version kTested11{11, 4, 0};
constexpr Version kTestedRtx{1, 7, 1};
/// Before it, TensorRT-RTX had the layout of TensorRT 10 with changes of its own.
constexpr Version kOldestRtx{1, 5, 0};
/// Where it is set, a TensorRT-RTX newer than tested is used all the same.
constexpr const char* kUntested = "T2I_TENSORRT_UNTESTED";

std::string text(const Version& version) {
  return std::to_string(version[0]) + "." + std::to_string(version[1]) + "." + std::to_string(version[2]);
}

bool newer_minor(const Version& version, const Version& tested) {
  return std::array<int, 2>{version[0], version[1]} > std::array<int, 2>{tested[0], tested[1]};
}

/// The constant that a function returns where it does nothing else: `mov eax, imm32; ret`, with or without a frame.
std::optional<int> returned_constant(const std::vector<uint8_t>& code) {
  std::size_t at = 0;
  const auto skip = [&](std::initializer_list<uint8_t> bytes) {
    if (code.size() - at < bytes.size() || !std::equal(bytes.begin(), bytes.end(), code.begin() + at)) return false;
    at += bytes.size();
    return true;
  };
  skip({0xf3, 0x0f, 0x1e, 0xfa});                                // endbr64
  const bool framed = skip({0x55}) && skip({0x48, 0x89, 0xe5});  // push rbp; mov rbp, rsp
  if (code.size() - at < 6 || !skip({0xb8})) return {};
  uint32_t value = 0;
  for (int byte = 3; byte >= 0; --byte) value = value << 8 | code[at + byte];
  at += 4;
  if (framed) skip({0x5d});  // pop rbp
  if (!skip({0xc3})) return {};
  return static_cast<int>(value);
}

/// The numbers after `.so.` in a file's name or a soname, missing ones 0.
Version version_of_name(const std::string& name) {
  Version version{};
  const std::size_t found = name.find(".so.");
  if (found == std::string::npos) return version;
  std::istringstream numbers(name.substr(found + 4));
  for (int& part : version) {
    if (!(numbers >> part)) return version;
    numbers.ignore(1, '.');
  }
  return version;
}

std::filesystem::path real_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return error ? std::filesystem::path(path) : real;
}

Version read_version(const ElfFile& file, const std::string& path) {
  if (const std::optional<int> number = returned_constant(file.functions.at("getInferLibVersion"))) {
    return {*number / 10000, *number / 100 % 100, *number % 100};
  }
  const Version soname = version_of_name(file.soname);
  const Version name = version_of_name(real_path(path).filename().string());
  return name[0] == soname[0] ? name : soname;
}

/// Why this version cannot be used; empty where it can.
std::string refuse_version(Kind kind, const Version& version) {
  if (kind == Kind::rtx) {
    const std::string name = "TensorRT-RTX " + text(version);
    if (version < kOldestRtx) return name + " is too old: expected " + text(kOldestRtx) + " or newer";
    if (version[0] > 1) return name + " is of an unknown major version: expected 1";
    // Its layout changed from one minor version to the next before.
    if (!newer_minor(version, kTestedRtx) || std::getenv(kUntested) != nullptr) return "";
    return name + " is newer than the newest that was tested, " + text(kTestedRtx) + ", and may be laid out otherwise";
  }
  const std::string name = "TensorRT " + text(version);
  if (version[0] < 10) return name + " is too old: expected 10 or 11";
  return version[0] > 11 ? name + " is of an unknown major version: expected 10 or 11" : "";
}

std::string join(const std::filesystem::path& folder, const std::string& name) { return (folder / name).string(); }

/// The parser of the same version beside the runtime, else why there is none.
void inspect_parser(LibraryInfo& info) {
  const std::string stem = info.kind == Kind::rtx ? "libtensorrt_onnxparser_rtx.so." : "libnvonnxparser.so.";
  const std::string wanted = stem + std::to_string(info.version[0]);
  const std::filesystem::path folder = std::filesystem::path(info.path).parent_path();
  std::string other;
  std::string unreadable;
  for (const std::string& name : list_folder(folder.string(), unreadable)) {
    if (name.compare(0, stem.size(), stem) != 0) continue;
    try {
      const ElfFile file = read_elf(join(folder, name), {"createNvOnnxParser_INTERNAL"});
      const int major = version_of_name(file.soname.empty() ? name : file.soname)[0];
      if (file.exports("createNvOnnxParser_INTERNAL") && major == info.version[0]) {
        info.parser_path = join(folder, name);
        return;
      }
      other = join(folder, name) + " is of major version " + std::to_string(major);
    } catch (const std::runtime_error& error) {
      other = join(folder, name) + " cannot be used: " + error.what();
    }
  }
  info.notes.push_back(other.empty() ? "It cannot build engines: its ONNX parser " + wanted + " is missing in " +
                                           folder.string() + "."
                                     : "It cannot build engines: the parser must be of its own major version, " +
                                           std::to_string(info.version[0]) + ", and " + other + ".");
}

/// TensorRT opens its builder resources by their full version, from the loader's path, newer ones from their own folder
/// too; who builds puts that folder on the loader's path.
bool has_builder_resource(const LibraryInfo& info) {
  const std::string stem = "libnvinfer_builder_resource";
  std::vector<std::string> folders{std::filesystem::path(info.path).parent_path().string(),
                                   real_path(info.path).parent_path().string()};
  for (const std::string& folder : loader_folders()) folders.push_back(folder);
  for (const std::string& folder : folders) {
    std::string unreadable;
    for (const std::string& name : list_folder(folder, unreadable)) {
      if (name.compare(0, stem.size(), stem) == 0 && version_of_name(name) == info.version) return true;
    }
  }
  return false;
}

void inspect_building(LibraryInfo& info) {
  if (info.kind == Kind::lean) {
    info.notes.push_back("A lean runtime: it runs engines and cannot build them.");
    return;
  }
  inspect_parser(info);
  const bool resource = info.kind == Kind::rtx || has_builder_resource(info);
  if (!resource) {
    info.notes.push_back("It cannot build engines: libnvinfer_builder_resource*.so." + text(info.version) +
                         " is missing beside it.");
  }
  info.can_build = resource && !info.parser_path.empty();
}

}  // namespace

bool is_runtime_name(const std::string& name) {
  for (const std::string stem : {"libnvinfer.so.", "libnvinfer_lean.so.", "libtensorrt_rtx.so."}) {
    if (name.compare(0, stem.size(), stem) != 0 || name.size() == stem.size()) continue;
    return name.find_first_not_of("0123456789.", stem.size()) == std::string::npos;
  }
  return false;
}

LibraryInfo inspect(const std::string& path) {
  LibraryInfo info{};
  info.path = path;
  ElfFile file;
  try {
    file = read_elf(path, {"createInferRuntime_INTERNAL", "createInferBuilder_INTERNAL", "getInferLibVersion"});
  } catch (const std::runtime_error& error) {
    info.problem = path + " is no library that can be loaded: " + error.what();
    info.hint = "Install TensorRT again, or take the file away.";
    return info;
  }
  const bool rtx = file.soname.find("tensorrt_rtx") != std::string::npos;
  info.kind = rtx ? Kind::rtx : file.exports("createInferBuilder_INTERNAL") ? Kind::full : Kind::lean;
  for (const char* function : {"getInferLibVersion", "createInferRuntime_INTERNAL"}) {
    if (file.exports(function)) continue;
    info.problem = path + " is no TensorRT: it exports no " + function;
    info.hint = "Install TensorRT again, or take the file away.";
    return info;
  }
  info.version = read_version(file, path);
  info.problem = refuse_version(info.kind, info.version);
  if (!info.problem.empty()) {
    info.hint =
        "Install TensorRT 10 or 11, or TensorRT-RTX 1.5 to 1.7; a newer @t2i/sdk may know more versions. "
        "T2I_TENSORRT_UNTESTED=1 takes a newer TensorRT-RTX 1.x at your own risk.";
    return info;
  }
  const Version& tested = rtx ? kTestedRtx : info.version[0] == 10 ? kTested10 : kTested11;
  if (newer_minor(info.version, tested)) {
    info.notes.push_back("Newer than the newest that was tested, " + text(tested) + ".");
  }
  inspect_building(info);
  return info;
}

}  // namespace t2i::tensorrt
