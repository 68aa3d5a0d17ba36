#pragma once

#include <cstdlib>
#include <string>

namespace t2i::fake {

/**
 * What should go wrong, from the environment variable T2I_FAKE_TENSORRT: names, separated by commas. Every object reads
 * it when it is made, so a test can let an earlier object work and a later one fail.
 *
 *     garbage-pointer  the factory of the runtime returns 0x238, as the real one does without a driver
 *     null-runtime     the factory of the runtime returns null
 *     version=101501   what getInferLibVersion says
 *     null-engine      a good engine is refused
 *     host-input       every engine wants its first input in host memory
 *     open-waits-for=F deserialisation waits while the file F exists, for a minute at most
 *     not-capturable   TensorRT-RTX says of every stream that a forward cannot be captured on it
 *     null-context     the engine makes no context, because memory ran out
 *     enqueue-false    enqueueV3 logs an error and returns false
 *     crash-enqueue    enqueueV3 ends the process
 *     nan              UNet and decoder give NaN
 *     inaccurate       every output is off by 10 %
 *     fp16-overflow    a decoder built from a file whose name holds `fp16` gives infinities
 *     bf16-inaccurate  a decoder of a graph that holds bfloat16 is off by 10 %
 *     bf16-build-fails the builder finds no implementation of a node in bfloat16
 *     resource-by-name the builder opens its builder resource from the loader's path alone, as TensorRT 10.6 does
 *     slow-build       the builder takes an hour, and can be cancelled
 *     build-fails      the builder finds no implementation of a node
 *     build-memory     the builder runs out of memory
 *     crash-build      the builder ends the process
 */
class Failures {
 public:
  Failures() {
    const char* names = std::getenv("T2I_FAKE_TENSORRT");
    names_ = std::string(",") + (names == nullptr ? "" : names) + ",";
  }

  bool has(const std::string& name) const { return names_.find("," + name + ",") != std::string::npos; }

  /// What is behind `name=`; empty where it is not there.
  std::string text(const std::string& name) const {
    const std::size_t at = names_.find("," + name + "=");
    if (at == std::string::npos) return {};
    const std::size_t start = at + name.size() + 2;
    return names_.substr(start, names_.find(',', start) - start);
  }

  /// The number behind `name=`, or `otherwise`.
  int number(const std::string& name, int otherwise) const {
    const std::string digits = text(name);
    return digits.empty() ? otherwise : std::atoi(digits.c_str());
  }

 private:
  std::string names_;
};

}  // namespace t2i::fake
