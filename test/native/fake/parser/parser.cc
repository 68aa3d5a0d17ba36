#include <memory>
#include <optional>

#include "common/network.h"
#include "common/toy_engine.h"

namespace t2i::fake {

namespace {

/// IParserError: a plain abstract class, its methods are slots of the object itself.
struct ParserError {
  const void* const* methods;
  OnnxError error;
};

ParserError& error_of(void* self) { return *static_cast<ParserError*>(self); }

const MethodTable& error_methods() {
  static const MethodTable table =
      MethodTable()
          .set(
              kSlots.get_error_code,
              +[](void* self) {
                const bool node = error_of(self).error.node >= 0;
                return node ? tensorrt::ParserErrorCode::unsupported_node : tensorrt::ParserErrorCode::model_not_read;
              })
          .set(
              kSlots.get_error_desc, +[](void* self) { return error_of(self).error.what(); })
          .set(
              kSlots.get_error_node, +[](void* self) { return error_of(self).error.node; })
          .set(
              kSlots.get_error_node_name, +[](void* self) { return error_of(self).error.node_name.c_str(); })
          .set(kSlots.get_error_node_operator, +[](void* self) { return error_of(self).error.node_operator.c_str(); });
  return table;
}

/// IParser, of the same kind.
struct Parser {
  const void* const* methods;
  Network& network;
  Log log;
  std::optional<ParserError> error = std::nullopt;
};

Parser& parser_of(void* self) { return *static_cast<Parser*>(self); }

bool parse_from_file(void* self, const char* path, int32_t) {
  Parser& parser = parser_of(self);
  try {
    OnnxGraph graph = read_onnx(path);
    toy_engine_for(graph, kVersion);
    parser.network.graph = std::move(graph);
    return true;
  } catch (const OnnxError& error) {
    parser.error = ParserError{error_methods().entries(), error};
    parser.log.error(error.what());
    return false;
  }
}

const MethodTable& parser_methods() {
  static const MethodTable table =
      MethodTable()
          .set(kSlots.parse_from_file, &parse_from_file)
          .set(
              kSlots.get_nb_errors, +[](void* self) -> int32_t { return parser_of(self).error ? 1 : 0; })
          .set(
              kSlots.get_error, +[](void* self, int32_t) -> void* { return &*parser_of(self).error; })
          .set(
              kSlots.clear_errors, +[](void* self) { parser_of(self).error.reset(); })
          .set(
              kSlots.clear_errors + tensorrt::kParserDeleteOffset, +[](void* self) {
                delete &parser_of(self);
                live_objects--;
              });
  return table;
}

}  // namespace
}  // namespace t2i::fake

T2I_EXPORT void* createNvOnnxParser_INTERNAL(void* network, void* logger, int) noexcept {
  using namespace t2i::fake;
  live_objects++;
  return new Parser{parser_methods().entries(), Network::of_facade(network), Log(logger)};
}

T2I_EXPORT int getNvOnnxParserVersion() noexcept { return t2i::fake::kVersion; }

/// Parsers that were made and not destroyed.
T2I_EXPORT int fake_live_objects() noexcept { return t2i::fake::live_objects; }
