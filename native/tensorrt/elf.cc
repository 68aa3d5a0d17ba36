#include "tensorrt/elf.h"

#include <elf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace t2i::tensorrt {

namespace {

/// Far above any real table of symbols or names.
constexpr uint64_t kMaxTable = 64u << 20;
/// Enough of a function for the constant that it returns.
constexpr uint64_t kFunctionBytes = 16;

class Reader {
 public:
  explicit Reader(const std::string& path) {
    // Opening a pipe would wait for its other end.
    std::error_code unknown;
    const std::filesystem::file_status status = std::filesystem::status(path, unknown);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
      throw std::runtime_error("it is no file");
    }
    file_.open(path, std::ios::binary);
    if (!file_) throw std::runtime_error(std::string("it cannot be opened: ") + std::strerror(errno));
    file_.seekg(0, std::ios::end);
    size_ = static_cast<uint64_t>(file_.tellg());
  }

  std::vector<char> read(uint64_t offset, uint64_t bytes) {
    if (bytes > kMaxTable) throw std::runtime_error("its ELF tables are damaged");
    if (offset > size_ || bytes > size_ - offset) throw std::runtime_error("it ends too early");
    std::vector<char> data(bytes);
    file_.seekg(static_cast<std::streamoff>(offset));
    file_.read(data.data(), static_cast<std::streamsize>(bytes));
    if (!file_) throw std::runtime_error("it ends too early");
    return data;
  }

  template <typename T>
  std::vector<T> read_table(uint64_t offset, uint64_t bytes) {
    const std::vector<char> data = read(offset, bytes / sizeof(T) * sizeof(T));
    std::vector<T> table(data.size() / sizeof(T));
    if (!table.empty()) std::memcpy(table.data(), data.data(), data.size());
    return table;
  }

 private:
  std::ifstream file_;
  uint64_t size_ = 0;
};

/// The string at `offset` of a string table; empty where it lies outside.
std::string string_at(const std::vector<char>& strings, uint64_t offset) {
  if (offset >= strings.size()) return {};
  const char* start = strings.data() + offset;
  return {start, strnlen(start, strings.size() - offset)};
}

std::vector<Elf64_Shdr> read_sections(Reader& reader) {
  const Elf64_Ehdr header = reader.read_table<Elf64_Ehdr>(0, sizeof(Elf64_Ehdr)).front();
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) throw std::runtime_error("it is no ELF file");
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64 || header.e_type != ET_DYN) {
    throw std::runtime_error("it is no shared library for x86-64");
  }
  if (header.e_shentsize != sizeof(Elf64_Shdr)) throw std::runtime_error("it has no section table");
  return reader.read_table<Elf64_Shdr>(header.e_shoff, uint64_t{header.e_shnum} * sizeof(Elf64_Shdr));
}

const Elf64_Shdr* find_section(const std::vector<Elf64_Shdr>& sections, uint32_t type) {
  const auto found = std::find_if(sections.begin(), sections.end(),
                                  [&](const Elf64_Shdr& section) { return section.sh_type == type; });
  return found == sections.end() ? nullptr : &*found;
}

std::vector<char> read_strings(Reader& reader, const std::vector<Elf64_Shdr>& sections, const Elf64_Shdr& user) {
  if (user.sh_link >= sections.size()) throw std::runtime_error("its ELF tables are damaged");
  const Elf64_Shdr& strings = sections[user.sh_link];
  return reader.read(strings.sh_offset, strings.sh_size);
}

/// First bytes of the function at `address`, which may be the end of its section.
std::vector<uint8_t> read_function(Reader& reader, const Elf64_Shdr& code, uint64_t address) {
  const uint64_t start = address - code.sh_addr;
  const uint64_t bytes = start < code.sh_size ? std::min(kFunctionBytes, code.sh_size - start) : 0;
  return reader.read_table<uint8_t>(code.sh_offset + start, bytes);
}

}  // namespace

ElfFile read_elf(const std::string& path, const std::vector<std::string>& functions) {
  Reader reader(path);
  const std::vector<Elf64_Shdr> sections = read_sections(reader);
  ElfFile file;
  if (const Elf64_Shdr* section = find_section(sections, SHT_DYNAMIC)) {
    const std::vector<char> strings = read_strings(reader, sections, *section);
    for (const Elf64_Dyn& entry : reader.read_table<Elf64_Dyn>(section->sh_offset, section->sh_size)) {
      if (entry.d_tag == DT_SONAME) file.soname = string_at(strings, entry.d_un.d_val);
    }
  }
  if (const Elf64_Shdr* section = find_section(sections, SHT_DYNSYM)) {
    const std::vector<char> strings = read_strings(reader, sections, *section);
    for (const Elf64_Sym& symbol : reader.read_table<Elf64_Sym>(section->sh_offset, section->sh_size)) {
      const bool defined = symbol.st_shndx != SHN_UNDEF && symbol.st_shndx < sections.size();
      if (!defined || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC) continue;
      const std::string name = string_at(strings, symbol.st_name);
      if (std::find(functions.begin(), functions.end(), name) == functions.end()) continue;
      file.functions[name] = read_function(reader, sections[symbol.st_shndx], symbol.st_value);
    }
  }
  return file;
}

}  // namespace t2i::tensorrt
