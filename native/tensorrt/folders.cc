#include "tensorrt/folders.h"

#include <glob.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace t2i::tensorrt {

namespace {

/// Configuration files that include each other.
constexpr int kMaxDepth = 4;

std::vector<std::string> expand(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> paths;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  return paths;
}

/// The format of ld.so.conf: a folder a line, `include PATTERN`, comments.
void read_loader_configuration(const std::string& path, int depth, std::vector<std::string>& folders) {
  std::ifstream file(path);
  std::string line;
  while (depth > 0 && std::getline(file, line)) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string word;
    if (!(words >> word)) continue;
    if (word == "include") {
      while (words >> word) {
        for (const std::string& included : expand(word)) read_loader_configuration(included, depth - 1, folders);
      }
    } else if (word[0] == '/') {
      folders.push_back(word);
    }
  }
}

}  // namespace

std::vector<std::string> loader_folders() {
  std::vector<std::string> folders;
  if (const char* path = std::getenv("LD_LIBRARY_PATH")) {
    std::istringstream parts(path);
    std::string folder;
    while (std::getline(parts, folder, ':')) {
      if (!folder.empty()) folders.push_back(folder);
    }
  }
  read_loader_configuration("/etc/ld.so.conf", kMaxDepth, folders);
  for (const char* root : {"", "/usr"}) {
    for (const char* folder : {"/lib/x86_64-linux-gnu", "/lib64", "/lib"})
      folders.push_back(std::string(root) + folder);
  }
  return folders;
}

std::vector<std::string> usual_folders() {
  std::vector<std::string> folders;
  for (const char* root : {"/usr/local", "/opt", "/opt/nvidia"}) {
    for (const char* inside : {"/lib", "/targets/x86_64-linux-gnu/lib"}) {
      const std::string pattern = std::string(root) + "/[Tt]ensor[Rr][Tt]*" + inside;
      for (std::string& folder : expand(pattern)) folders.push_back(std::move(folder));
    }
  }
  return folders;
}

std::vector<std::string> list_folder(const std::string& folder, std::string& reason) {
  std::error_code error;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) reason = error.message();
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace t2i::tensorrt
