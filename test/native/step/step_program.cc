// Reads records of 15 floats (a row, x, out, noise, previous x0, clip, and unconditional and scale for guide(), whose
// conditional one is `out`) and writes 3 for each: x', x0 and the guided output. Compiled by
// test/native/contraction.test.ts with several flags.

#include <cstdio>

#include "base/step.h"

int main() {
  float in[t2i::kRowLength + 7];
  while (std::fread(in, sizeof in, 1, stdin) == 1) {
    const float* rest = in + t2i::kRowLength;
    const t2i::StepResult result = t2i::step(in, rest[0], rest[1], rest[2], rest[3], rest[4]);
    const float out[3] = {result.x, result.x0, t2i::guide(rest[5], rest[1], rest[6])};
    std::fwrite(out, sizeof out, 1, stdout);
  }
}
