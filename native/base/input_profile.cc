#include "base/input_profile.h"

#include <algorithm>

#include "base/error.h"

namespace t2i {

namespace {

bool is_dynamic(const GraphInput& input) {
  return std::find(input.dims.begin(), input.dims.end(), -1) != input.dims.end();
}

bool fits(const Dims& graph, const InputProfile& profile) {
  for (const Dims* shape : {&profile.min, &profile.opt, &profile.max}) {
    if (shape->size() != graph.size()) return false;
  }
  for (std::size_t axis = 0; axis < graph.size(); axis++) {
    const int64_t min = profile.min[axis], opt = profile.opt[axis], max = profile.max[axis];
    if (min < 1 || min > opt || opt > max) return false;
    if (graph[axis] >= 0 && (min != graph[axis] || max != graph[axis])) return false;
  }
  return true;
}

template <typename Item>
const Item* find(const std::vector<Item>& items, std::string Item::* name, const std::string& wanted) {
  const auto found = std::find_if(items.begin(), items.end(), [&](const Item& item) { return item.*name == wanted; });
  return found == items.end() ? nullptr : &*found;
}

void add(std::string& list, const char* separator, const std::string& item) {
  list += (list.empty() ? "" : separator) + item;
}

}  // namespace

void require_profiles(const std::vector<GraphInput>& inputs, const std::vector<InputProfile>& profiles) {
  std::string problems;
  for (const GraphInput& input : inputs) {
    if (is_dynamic(input) && find(profiles, &InputProfile::input, input.name) == nullptr) {
      add(problems, "; ", "the dynamic input " + input.name + " has no profile");
    }
  }
  for (const InputProfile& profile : profiles) {
    const GraphInput* input = find(inputs, &GraphInput::name, profile.input);
    if (input == nullptr) {
      add(problems, "; ", "the profile of " + profile.input + " has no input");
    } else if (!fits(input->dims, profile)) {
      add(problems, "; ",
          "the profile of " + profile.input + ", expected min <= opt <= max within " + to_string(input->dims) +
              ", received " + to_string(profile.min) + ", " + to_string(profile.opt) + ", " + to_string(profile.max));
    }
  }
  if (problems.empty()) return;
  std::string known;
  for (const GraphInput& input : inputs) add(known, ", ", input.name + " " + to_string(input.dims));
  throw Error(ErrorCode::engine_build_failed,
              "the profiles do not fit the graph: " + problems + "; its inputs are " + known,
              "Give one profile for each dynamic input.");
}

}  // namespace t2i
