#include "common/network.h"

namespace t2i::fake {

namespace {

void* at(std::vector<std::unique_ptr<NetworkTensor>>& handed, const std::vector<Tensor>& tensors, int32_t index) {
  while (handed.size() < tensors.size()) handed.push_back(std::make_unique<NetworkTensor>(tensors[handed.size()]));
  return handed.at(static_cast<std::size_t>(index))->facade();
}

}  // namespace

const MethodTable& NetworkTensor::methods() {
  static const MethodTable table =
      MethodTable()
          .set(
              kSlots.get_tensor_name, +[](void* self) { return of(self).tensor.name.c_str(); })
          .set(kSlots.get_tensor_dimensions, +[](void* self) { return to_dims(of(self).tensor.dims); });
  return table;
}

const MethodTable& Network::methods() {
  static const MethodTable table =
      MethodTable()
          .set(
              kSlots.get_nb_inputs, +[](void* self) { return static_cast<int32_t>(of(self).graph.inputs.size()); })
          .set(
              kSlots.get_nb_outputs, +[](void* self) { return static_cast<int32_t>(of(self).graph.outputs.size()); })
          .set(kSlots.get_input, +[](void* self, int32_t i) { return at(of(self).inputs, of(self).graph.inputs, i); });
  return table;
}

}  // namespace t2i::fake
