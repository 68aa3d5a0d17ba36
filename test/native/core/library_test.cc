// What is called of TensorRT, and what its files say.

#include "tensorrt/library.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/error.h"
#include "support_scratch.h"
#include "tensorrt/build_objects.h"
#include "tensorrt/elf.h"
#include "tensorrt/inspect.h"
#include "tensorrt/log.h"

namespace t2i::tensorrt {
namespace {

const std::string kRuntime10 = T2I_FAKE_10 "/libnvinfer.so.10";
const std::string kRuntime11 = T2I_FAKE_11 "/libnvinfer.so.11";

/// Lets the stand-ins fail until the end of a test.
class Failing {
 public:
  explicit Failing(const char* failures) { setenv("T2I_FAKE_TENSORRT", failures, 1); }
  Failing(const Failing&) = delete;
  ~Failing() { unsetenv("T2I_FAKE_TENSORRT"); }
};

void expect_error(ErrorCode code, const std::string& words, const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    EXPECT_FALSE(error.hint().empty());
  }
}

TEST(Objects, TheFirstPageHoldsNone) {
  for (const std::uintptr_t number : {0x0u, 0x228u, 0x238u, 0xfffu}) {
    void* pointer = reinterpret_cast<void*>(number);
    EXPECT_FALSE(is_object(pointer));
    // Destroying such an owner must not call anything.
    EXPECT_FALSE(Runtime(pointer, kSlots10));
    EXPECT_FALSE(Parser(pointer, kSlots10));
    EXPECT_FALSE(OptimizationProfile(pointer, kSlots10));
  }
}

TEST(Library, OpensBothMajors) {
  for (const auto& [path, major, slots] :
       {std::tuple{kRuntime10, 10, &kSlots10}, std::tuple{kRuntime11, 11, &kSlots11}}) {
    const std::shared_ptr<Library> library = Library::open(path);
    EXPECT_EQ(library->info().version[0], major);
    EXPECT_EQ(&library->slots(), slots);
    EXPECT_EQ(library->info().kind, Kind::full);
    EXPECT_TRUE(library->info().can_build) << testing::PrintToString(library->info().notes);
    Log log;
    EXPECT_TRUE(Runtime(library->create_runtime(log), library->slots()));
    Builder builder(library->create_builder(log), library->slots());
    NetworkDefinition network = builder.create_network();
    Parser parser(library->create_parser(network.get(), log), library->slots());
    EXPECT_FALSE(parser.parse_from_file(T2I_SOURCE "/package.json"));
    EXPECT_GT(parser.get_nb_errors(), 0);
  }
}

TEST(Library, TakesAPointerIntoNowhereForNone) {
  const std::shared_ptr<Library> library = Library::open(kRuntime10);
  Log log;
  const Failing failing("garbage-pointer");
  expect_error(ErrorCode::backend_failed, "TensorRT made no runtime", [&] { library->create_runtime(log); });
}

TEST(Library, GivesTensorRTsWords) {
  const std::shared_ptr<Library> library = Library::open(kRuntime11);
  Log log;
  const Failing failing("null-runtime");
  expect_error(ErrorCode::backend_failed, "CUDA initialization failure with error: 35",
               [&] { library->create_runtime(log); });
}

TEST(Library, RefusesAVersionThatIsNotItsFiles) {
  const Failing failing("version=110400");
  expect_error(ErrorCode::backend_unavailable, "expected major version 10", [] { Library::open(kRuntime10); });
}

TEST(Library, RefusesWhatIsNone) {
  expect_error(ErrorCode::backend_unavailable, "it is no ELF file", [] { Library::open(T2I_SOURCE "/package.json"); });
  expect_error(ErrorCode::backend_unavailable, "No such file", [] { Library::open("/gone/libnvinfer.so.10"); });
  // The parser is a library, but not the runtime.
  expect_error(ErrorCode::backend_unavailable, "is no TensorRT",
               [] { Library::open(T2I_FAKE_10 "/libnvonnxparser.so.10"); });
}

TEST(Library, CannotBuildWithoutAParser) {
  const test::ScratchFolder folder;
  const std::filesystem::path path = folder.path() / "libnvinfer.so.11";
  std::filesystem::copy_file(kRuntime11, path);
  {
    const std::shared_ptr<Library> library = Library::open(path.string());
    EXPECT_FALSE(library->info().can_build);
    Log log;
    expect_error(ErrorCode::backend_unavailable, "libnvonnxparser.so.11 is missing",
                 [&] { library->create_builder(log); });
    expect_error(ErrorCode::backend_unavailable, "libnvonnxparser.so.11 is missing",
                 [&] { library->create_parser(nullptr, log); });
  }
}

TEST(Inspect, KnowsNamesOfRuntimes) {
  for (const char* name :
       {"libnvinfer.so.10", "libnvinfer.so.10.15.1", "libnvinfer_lean.so.11", "libtensorrt_rtx.so.1"}) {
    EXPECT_TRUE(is_runtime_name(name)) << name;
  }
  for (const char* name :
       {"libnvinfer.so", "libnvinfer_plugin.so.10", "libnvonnxparser.so.10", "libnvinfer.so.x", "a"}) {
    EXPECT_FALSE(is_runtime_name(name)) << name;
  }
}

TEST(ReadElf, FindsNameAndFunctions) {
  const ElfFile file = read_elf(kRuntime10, {"getInferLibVersion", "gone"});
  EXPECT_EQ(file.soname, "libnvinfer.so.10");
  EXPECT_TRUE(file.exports("getInferLibVersion"));
  EXPECT_FALSE(file.exports("gone"));
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ReadElf, NoDamageCrashesIt) {
  const std::string whole = read_file(kRuntime11);
  const test::ScratchFolder folder;
  const std::string path = (folder.path() / "damaged.so").string();
  // The section table is what the reader follows, and lies at the end.
  const std::size_t table = 64 * 40;
  ASSERT_GT(whole.size(), table);
  std::mt19937 random(1);
  const auto below = [&](std::size_t end) { return random() % end; };
  std::set<std::string> reasons;
  for (int round = 0; round < 1000; ++round) {
    std::string bytes = round % 10 == 0 ? whole.substr(0, below(whole.size())) : whole;
    for (std::size_t i = 0; i <= below(8) && bytes.size() > table; ++i) {
      const std::size_t spot = i % 2 == 0 ? below(64) : bytes.size() - 1 - below(table);
      bytes[spot] = static_cast<char>(random());
    }
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    try {
      read_elf(path, {"getInferLibVersion"});
      reasons.insert("none");
    } catch (const std::runtime_error& error) {
      reasons.insert(error.what());
    }
  }
  for (const char* reason : {"none", "it ends too early", "it is no ELF file", "its ELF tables are damaged"}) {
    EXPECT_EQ(reasons.count(reason), 1u) << reason;
  }
}

}  // namespace
}  // namespace t2i::tensorrt
