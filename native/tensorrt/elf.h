#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace t2i::tensorrt {

/// What an x86-64 shared library says of itself, read and not loaded: loading would run its code.
struct ElfFile {
  /// The name that the dynamic loader knows it by; empty where it has none.
  std::string soname;
  /// First bytes of each exported function that was asked for and is there.
  std::map<std::string, std::vector<uint8_t>> functions;

  bool exports(const std::string& function) const { return functions.count(function) != 0; }
};

/// @param functions names to look for
/// @throws std::runtime_error with the reason, for example `it is no ELF file`; never trusts an offset of the file
ElfFile read_elf(const std::string& path, const std::vector<std::string>& functions);

}  // namespace t2i::tensorrt
