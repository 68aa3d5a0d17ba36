// Which TensorRT is taken where there are several, and which majors are refused.

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "support_scratch.h"
#include "tensorrt/library.h"

namespace t2i::tensorrt {
namespace {

/// A folder with copies of the stand-in that pass for these versions: their names say them, and the soname the major.
class FindLibraries : public testing::Test {
 protected:
  void add(const std::string& version) const {
    std::ifstream stand_in(T2I_FAKE_10 "/libnvinfer.so.10", std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(stand_in), {}};
    const std::string soname = "libnvinfer.so.10";
    std::string wanted = "libnvinfer.so." + version.substr(0, version.find('.'));
    wanted.resize(soname.size());
    for (std::size_t at = 0; (at = bytes.find(soname, at)) != std::string::npos; at += soname.size()) {
      bytes.replace(at, soname.size(), wanted);
    }
    std::ofstream(folder_.path() / ("libnvinfer.so." + version), std::ios::binary) << bytes;
  }
  std::vector<LibraryInfo> find() const { return find_libraries({folder_.path().string(), {}}); }

 private:
  test::ScratchFolder folder_;
};

TEST_F(FindLibraries, NewerComeBeforeOlder) {
  for (const char* version : {"10.9.2", "11.0.0", "10.12.0", "10.12.1"}) add(version);
  std::vector<std::array<int, 3>> versions;
  for (const LibraryInfo& info : find()) {
    EXPECT_EQ(info.problem, "");
    versions.push_back(info.version);
  }
  EXPECT_EQ(versions, (std::vector<std::array<int, 3>>{{11, 0, 0}, {10, 12, 1}, {10, 12, 0}, {10, 9, 2}}));
}

TEST_F(FindLibraries, MajorsBesideTheKnownOnesAreRefusedAndComeLast) {
  for (const char* version : {"9.9.9", "12.0.0", "10.0.0"}) add(version);
  const std::vector<LibraryInfo> found = find();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].problem, "");
  EXPECT_EQ(found[1].problem, "TensorRT 12.0.0 is of an unknown major version: expected 10 or 11");
  EXPECT_EQ(found[2].problem, "TensorRT 9.9.9 is too old: expected 10 or 11");
}

}  // namespace
}  // namespace t2i::tensorrt
