#include "node/argument.h"

#include <cmath>

namespace t2i {

namespace {

/// What came, in words: the type, and the value where it is short.
std::string describe(const Napi::Value& value) {
  if (value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  if (value.IsBoolean() || value.IsNumber()) return value.ToString();
  if (value.IsString()) return "a string";
  if (value.IsFunction()) return "a function";
  if (value.IsArray()) return "an array of length " + std::to_string(value.As<Napi::Array>().Length());
  if (value.IsTypedArray()) {
    const auto array = value.As<Napi::TypedArray>();
    const auto constructor = array.Get("constructor");
    const std::string kind =
        constructor.IsFunction() ? constructor.As<Napi::Object>().Get("name").ToString() : std::string("typed array");
    return kind + " of length " + std::to_string(array.ElementLength());
  }
  return value.IsObject() ? "an object" : "something else";
}

template <typename T>
View<T> of_length(const Argument& argument, View<T> view, std::size_t length, const char* kind) {
  if (view.size != length) argument.refuse(kind + (" of length " + std::to_string(length)));
  return view;
}

}  // namespace

void Argument::refuse(const std::string& expected) const {
  throw Napi::TypeError::New(value_.Env(), name_ + ": expected " + expected + ", received " + describe(value_));
}

Argument Argument::operator[](const char* field) const { return Argument(object().Get(field), name_ + "." + field); }

std::vector<Argument> Argument::list() const {
  if (!value_.IsArray()) refuse("an array");
  const auto array = value_.As<Napi::Array>();
  std::vector<Argument> result;
  for (uint32_t i = 0; i < array.Length(); ++i)
    result.emplace_back(array.Get(i), name_ + "[" + std::to_string(i) + "]");
  return result;
}

std::vector<std::pair<std::string, Argument>> Argument::entries() const {
  const Napi::Object fields = object();
  const Napi::Array keys = fields.GetPropertyNames();
  std::vector<std::pair<std::string, Argument>> result;
  for (uint32_t i = 0; i < keys.Length(); ++i) {
    const std::string key = keys.Get(i).ToString();
    result.emplace_back(key, Argument(fields.Get(key), name_ + "." + key));
  }
  return result;
}

float Argument::real() const {
  if (!value_.IsNumber()) refuse("a finite number");
  const auto value = static_cast<float>(value_.As<Napi::Number>().DoubleValue());
  if (!std::isfinite(value)) refuse("a finite number");
  return value;
}

int64_t Argument::integer(int64_t min, int64_t max) const {
  const double value = value_.IsNumber() ? value_.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!(value >= static_cast<double>(min) && value <= static_cast<double>(max)) || value != std::floor(value)) {
    refuse("an integer from " + std::to_string(min) + " to " + std::to_string(max));
  }
  return static_cast<int64_t>(value);
}

bool Argument::boolean() const {
  if (!value_.IsBoolean()) refuse("true or false");
  return value_.As<Napi::Boolean>();
}

std::string Argument::string() const {
  if (!value_.IsString()) refuse("a string");
  return value_.As<Napi::String>();
}

Napi::Object Argument::object() const {
  if (!value_.IsObject() || value_.IsFunction()) refuse("an object");
  return value_.As<Napi::Object>();
}

Napi::Function Argument::function() const {
  if (!value_.IsFunction()) refuse("a function");
  return value_.As<Napi::Function>();
}

template <typename T>
View<T> Argument::elements(napi_typedarray_type type, const char* expected) const {
  if (!value_.IsTypedArray() || value_.As<Napi::TypedArray>().TypedArrayType() != type) refuse(expected);
  void* data = nullptr;
  size_t length = 0;
  const napi_env env = value_.Env();
  if (napi_get_typedarray_info(env, value_, nullptr, &length, &data, nullptr, nullptr) != napi_ok) refuse(expected);
  return {static_cast<T*>(data), length};
}

bool Argument::is_shared() const {
  return value_.IsTypedArray() && !value_.As<Napi::Object>().Get("buffer").IsArrayBuffer();
}

View<float> Argument::floats() const { return elements<float>(napi_float32_array, "a Float32Array"); }
View<int32_t> Argument::int32s() const { return elements<int32_t>(napi_int32_array, "an Int32Array"); }
View<uint8_t> Argument::bytes() const { return elements<uint8_t>(napi_uint8_array, "a Uint8Array"); }

View<float> Argument::floats(std::size_t length) const { return of_length(*this, floats(), length, "Float32Array"); }
View<int32_t> Argument::int32s(std::size_t length) const { return of_length(*this, int32s(), length, "Int32Array"); }

}  // namespace t2i
